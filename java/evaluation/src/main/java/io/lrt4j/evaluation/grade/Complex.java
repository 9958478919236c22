package io.lrt4j.evaluation.grade;

/** A complex number; functions take their principal value. */
record Complex(double re, double im) {
  static final Complex ONE = new Complex(1, 0);
  static final Complex I = new Complex(0, 1);
  static final Complex NAN = new Complex(Double.NaN, Double.NaN);

  static Complex of(double re) {
    return new Complex(re, 0);
  }

  boolean isFinite() {
    return Double.isFinite(re) && Double.isFinite(im);
  }

  double abs() {
    return Math.hypot(re, im);
  }

  Complex plus(Complex o) {
    return new Complex(re + o.re, im + o.im);
  }

  Complex minus(Complex o) {
    return new Complex(re - o.re, im - o.im);
  }

  Complex negate() {
    return new Complex(-re, -im);
  }

  Complex times(Complex o) {
    return im == 0 && o.im == 0 // no NaN from infinity times an imaginary 0
        ? of(re * o.re)
        : new Complex(re * o.re - im * o.im, re * o.im + im * o.re);
  }

  Complex over(Complex o) {
    if (im == 0 && o.im == 0) {
      return of(re / o.re);
    }
    double d = o.re * o.re + o.im * o.im;
    return new Complex((re * o.re + im * o.im) / d, (im * o.re - re * o.im) / d);
  }

  Complex power(Complex o) {
    if (im == 0 && o.im == 0 && (re >= 0 || o.re == Math.rint(o.re))) {
      return of(Math.pow(re, o.re));
    }
    return abs() == 0 ? of(0) : log().times(o).exp();
  }

  Complex exp() {
    double r = Math.exp(re);
    return im == 0 ? of(r) : new Complex(r * Math.cos(im), r * Math.sin(im));
  }

  Complex log() {
    return new Complex(Math.log(abs()), Math.atan2(im, re));
  }

  Complex sqrt() {
    return im == 0 && re >= 0 ? of(Math.sqrt(re)) : power(of(0.5));
  }

  Complex sin() {
    return new Complex(Math.sin(re) * Math.cosh(im), Math.cos(re) * Math.sinh(im));
  }

  Complex cos() {
    return new Complex(Math.cos(re) * Math.cosh(im), -Math.sin(re) * Math.sinh(im));
  }
}
