@NullMarked
package io.lrt4j.model;

import org.jspecify.annotations.NullMarked;
