//! How figures are written.

use crate::results::{Interval, Operation, Point};

/// An operation's name.
pub fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Put => "PUT",
        Operation::Get => "GET",
    }
}

/// A number of bytes: "512 B", "4 KiB".
pub fn size(bytes: usize) -> String {
    match bytes {
        0 => "0".into(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

/// A whole number, with commas: "12,345".
pub fn count(number: f64) -> String {
    if !number.is_finite() {
        return "–".into();
    }
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits of a number: "0.0123", "1.23", "12.3", "1,234".
pub fn figure(number: f64) -> String {
    match number.abs() {
        magnitude if !magnitude.is_finite() => "–".into(),
        0.0 => "0".into(),
        magnitude if magnitude < 0.095 => format!("{number:.3}"),
        magnitude if magnitude < 9.995 => format!("{number:.2}"),
        magnitude if magnitude < 99.95 => format!("{number:.1}"),
        _ => count(number),
    }
}

/// A median with its interval: "2.31 (2.10–2.52)". Without one, if there is none.
pub fn interval(Interval { median, low, high }: Interval) -> String {
    if low == high { format!("{median:.2}") } else { format!("{median:.2} ({low:.2}–{high:.2})") }
}

/// A span of time: "1 h 02 min", "2 min 05 s", "5 s".
pub fn duration(seconds: f64) -> String {
    match seconds.round() as u64 {
        seconds @ 3600.. => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        seconds @ 60.. => format!("{} min {:02} s", seconds / 60, seconds % 60),
        seconds => format!("{seconds} s"),
    }
}

/// What differs from point to point, once each, in order.
pub fn distinct<'a, T: Ord>(points: &[&'a Point], what: impl Fn(&'a Point) -> T) -> Vec<T> {
    let mut all: Vec<T> = points.iter().map(|point| what(point)).collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!([0, 512, 4096, 1 << 20].map(size), ["0", "512 B", "4 KiB", "1 MiB"]);
    }

    #[test]
    fn numbers() {
        assert_eq!([0.0, 999.6, 1_234_567.0, f64::NAN].map(count), ["0", "1,000", "1,234,567", "–"]);
        assert_eq!([0.0123, 1.234, 12.34, 1234.5].map(figure), ["0.012", "1.23", "12.3", "1,234"]);
    }

    #[test]
    fn spans() {
        assert_eq!([4.6, 125.0, 3725.0].map(duration), ["5 s", "2 min 05 s", "1 h 02 min"]);
    }
}
