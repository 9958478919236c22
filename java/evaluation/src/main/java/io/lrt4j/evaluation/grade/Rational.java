package io.lrt4j.evaluation.grade;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import org.jspecify.annotations.Nullable;

/**
 * An exact fraction in lowest terms. Operations whose result would be too large to be worth
 * computing give null.
 *
 * @param num numerator
 * @param den denominator, above 0
 */
record Rational(BigInteger num, BigInteger den) {
  private static final int MAX_BITS = 16_384;
  private static final int MAX_FACTORIAL = 1_000;
  private static final MathContext DIGITS = new MathContext(60, RoundingMode.HALF_EVEN);

  static final Rational ONE = new Rational(BigInteger.ONE, BigInteger.ONE);

  static Rational of(long value) {
    return new Rational(BigInteger.valueOf(value), BigInteger.ONE);
  }

  static @Nullable Rational of(BigDecimal value) {
    return value.scale() <= 0
        ? of(value.toBigInteger(), BigInteger.ONE)
        : of(value.unscaledValue(), BigInteger.TEN.pow(value.scale()));
  }

  private static @Nullable Rational of(BigInteger num, BigInteger den) {
    if (den.signum() == 0 || num.bitLength() > MAX_BITS || den.bitLength() > MAX_BITS) {
      return null;
    }
    BigInteger gcd = num.gcd(den);
    if (den.signum() < 0) {
      gcd = gcd.negate();
    }
    return new Rational(num.divide(gcd), den.divide(gcd));
  }

  @Nullable Rational plus(Rational o) {
    return of(num.multiply(o.den).add(o.num.multiply(den)), den.multiply(o.den));
  }

  Rational negate() {
    return new Rational(num.negate(), den);
  }

  @Nullable Rational times(Rational o) {
    return of(num.multiply(o.num), den.multiply(o.den));
  }

  @Nullable Rational dividedBy(Rational o) {
    return of(num.multiply(o.den), den.multiply(o.num));
  }

  /** This to a whole power. */
  @Nullable Rational power(Rational o) {
    if (!o.isWhole() || o.num.bitLength() > 15) {
      return null;
    }
    int exponent = o.num.intValueExact();
    long bits = (long) Math.max(num.bitLength(), den.bitLength()) * Math.abs(exponent);
    if (bits > MAX_BITS) {
      return null;
    }
    BigInteger a = num.pow(Math.abs(exponent));
    BigInteger b = den.pow(Math.abs(exponent));
    return exponent < 0 ? of(b, a) : of(a, b);
  }

  @Nullable Rational factorial() {
    if (!isWhole() || num.signum() < 0 || num.compareTo(BigInteger.valueOf(MAX_FACTORIAL)) > 0) {
      return null;
    }
    BigInteger product = BigInteger.ONE;
    for (int i = 2; i <= num.intValueExact(); i++) {
      product = product.multiply(BigInteger.valueOf(i));
    }
    return of(product, BigInteger.ONE);
  }

  boolean isWhole() {
    return den.equals(BigInteger.ONE);
  }

  BigDecimal decimal() {
    return new BigDecimal(num).divide(new BigDecimal(den), DIGITS);
  }

  double value() {
    return decimal().doubleValue();
  }
}
