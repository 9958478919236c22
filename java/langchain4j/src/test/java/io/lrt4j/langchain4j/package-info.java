@NullMarked
package io.lrt4j.langchain4j;

import org.jspecify.annotations.NullMarked;
