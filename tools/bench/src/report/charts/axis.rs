//! Axes: where values are on them, and which of them are marked.

use std::ops::Range;

/// A linear axis of what is drawn, which may be logarithms.
pub struct Axis {
    /// Its ends.
    pub range: Range<f64>,
    /// What is marked, with labels.
    pub marks: Vec<(f64, String)>,
}

/// An axis of positive values.
pub struct Scale {
    logarithmic: bool,
    /// The axis, of what [`Scale::at`] says.
    pub axis: Axis,
}

impl Axis {
    /// An axis just of these marks, with room at both ends.
    pub fn of_marks(marks: impl IntoIterator<Item = (f64, String)>) -> Axis {
        let mut marks: Vec<_> = marks.into_iter().collect();
        marks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (low, high) = ends(marks.iter().map(|mark| mark.0));
        Axis { range: low - 0.5..high + 0.5, marks }
    }

    /// The marks whose labels do not overlap on so many pixels, from the first on.
    pub fn spaced(&self, pixels: i32) -> Vec<&(f64, String)> {
        const CHARACTER: f64 = 6.3;
        let scale = f64::from(pixels) / (self.range.end - self.range.start);
        let (mut free, mut spaced) = (f64::NEG_INFINITY, Vec::new());
        for mark in &self.marks {
            let (position, label) = mark;
            let half = (label.chars().count() as f64 + 1.0) * CHARACTER / 2.0;
            if position * scale - half >= free {
                free = position * scale + half;
                spaced.push(mark);
            }
        }
        spaced
    }

    /// Where a position is between two pixels.
    pub fn pixel(&self, position: f64, (from, to): (i32, i32)) -> i32 {
        let part = (position - self.range.start) / (self.range.end - self.range.start);
        from + (part * f64::from(to - from)).round() as i32
    }
}

impl Scale {
    /// A linear scale from zero, or a logarithmic one if the values are too far apart for that.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Scale {
        let (low, high) = ends(values);
        if high / low > 8.0 { Scale::logarithmic([low, high]) } else { Scale::linear(high) }
    }

    /// A logarithmic scale.
    pub fn logarithmic(values: impl IntoIterator<Item = f64>) -> Scale {
        let (low, high) = ends(values);
        // Enough for two marks, which are 2.5 times apart at most.
        let room = (2.5 * 2.5 * low / high).sqrt().max(1.15);
        let range = (low / room).log10()..(high * room).log10();
        let steps: &[f64] = if range.end - range.start > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = range.start.floor() as i32..=range.end as i32;
        let marks = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
        let marks = marks
            .map(|value| (value.log10(), label(value)))
            .filter(|(position, _)| range.contains(position))
            .collect();
        Scale { logarithmic: true, axis: Axis { range, marks } }
    }

    fn linear(high: f64) -> Scale {
        let rough = high / 5.0;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * magnitude);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let end = high * 1.06;
        let marks = (0..=(end / step) as u32).map(|index| f64::from(index) * step);
        let marks = marks.map(|value| (value, label(value))).collect();
        Scale { logarithmic: false, axis: Axis { range: 0.0..end, marks } }
    }

    /// Where a value is on the axis.
    pub fn at(&self, value: f64) -> f64 {
        if self.logarithmic { value.log10() } else { value }
    }
}

/// The least and the greatest.
fn ends(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    values.into_iter().fold(ends, |(low, high), value| (low.min(value), high.max(value)))
}

/// A marked value, without the digits that floating point adds.
fn label(value: f64) -> String {
    match value {
        10000.0.. => format!("{} k", label(value / 1000.0)),
        _ => format!("{}", (value * 1e6).round() / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.marks.iter().map(|mark| mark.1.as_str()).collect()
    }

    #[test]
    fn linear_if_the_values_are_close() {
        assert_eq!(labels(&Scale::of([0.9, 2.4]).axis), ["0", "0.5", "1", "1.5", "2", "2.5"]);
    }

    #[test]
    fn logarithmic_if_they_are_not() {
        let scale = Scale::of([0.4, 6.0]);
        assert_eq!(labels(&scale.axis), ["0.5", "1", "2", "5"]);
        assert_eq!(scale.at(1.0), 0.0);
        assert_eq!(labels(&Scale::logarithmic([12.0]).axis), ["5", "10", "20"]);
        assert_eq!(labels(&Scale::of([1.0, 20000.0]).axis), ["1", "10", "100", "1000", "10 k"]);
    }

    #[test]
    fn labels_do_not_overlap() {
        let axis = Axis::of_marks([0.0, 1.0, 5.0].map(|mark| (mark, "512 KiB".to_string())));
        assert_eq!(axis.spaced(100), [&axis.marks[0], &axis.marks[2]]);
        assert_eq!(axis.spaced(1000).len(), 3);
    }
}
