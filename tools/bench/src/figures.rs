//! Medians, and how sure they are.

use crate::results::Interval;

/// The median.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 { figures[middle] } else { f64::midpoint(figures[middle - 1], figures[middle]) }
}

/// The median with the interval that the sign test gives: from the k-th smallest figure to the k-th largest, k
/// as large as 95 % confidence allows. It assumes nothing about how the figures are spread. With fewer than six
/// there is no such interval, and it is the whole range.
pub fn interval(figures: &mut [f64]) -> Interval {
    let median = median(figures);
    let outside = outside(figures.len());
    Interval { median, low: figures[outside], high: figures[figures.len() - 1 - outside] }
}

/// How many figures on each side may be left out of an interval of 95 %: the median lies below the k smallest of
/// n with the probability that a fair coin shows heads fewer than k times in n throws.
fn outside(n: usize) -> usize {
    let mut tail = 0.0;
    let mut term = 0.5_f64.powi(n as i32);
    for k in 0..n / 2 {
        tail += term;
        if 2.0 * tail > 0.05 {
            return k.saturating_sub(1);
        }
        term *= (n - k) as f64 / (k + 1) as f64;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn the_intervals_are_those_of_the_sign_test() {
        // From tables of the binomial distribution: for 7 the whole range (98.4 %), for 9 without one on each
        // side (96.1 %), for 12 without two (96.1 %), for 15 without three (96.5 %).
        assert_eq!([5, 6, 7, 8, 9, 11, 12, 15].map(outside), [0, 0, 0, 0, 1, 1, 2, 3]);
    }
}
