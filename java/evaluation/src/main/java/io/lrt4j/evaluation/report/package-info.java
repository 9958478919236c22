/** Results as a page, as Markdown and as JSON: tables and charts that need nothing else to view. */
@NullMarked
package io.lrt4j.evaluation.report;

import org.jspecify.annotations.NullMarked;
