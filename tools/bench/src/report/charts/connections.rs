//! CPU time per request by number of connections.

use std::error::Error;

use super::{
    Chart,
    axis::{Axis, Scale},
    canvas::{BASELINE, DRIVER, Dot, Line, OTHERS, Picture, SHAPES, shift},
};
use crate::{
    report::text::{self, distinct},
    results::{Point, Results, Section},
};

/// Draws it.
pub fn draw(results: &Results) -> Result<Chart, Box<dyn Error>> {
    let fine = |point: &&Point| {
        let cpu = [point.of_driver.cpu_us, point.of_baseline.cpu_us];
        point.section == Section::Connections && cpu.iter().all(|cpu| cpu.is_finite() && *cpu > 0.0)
    };
    let points: Vec<&Point> = results.points.iter().filter(fine).collect();
    let (driver, baseline) = super::names(results);
    let mut names = distinct(&points, |point| point.driver.as_str());
    names.extend(distinct(&points, |point| point.baseline.as_str()));
    // The two that are compared everywhere have their own colours; they come first.
    names.sort_by_key(|name| (*name != driver, *name != baseline));
    names.dedup();
    let mut others = OTHERS.into_iter().cycle();
    let styles: Vec<_> = names
        .into_iter()
        .zip(SHAPES.into_iter().cycle())
        .map(|(name, shape)| {
            let colour = match name {
                _ if name == driver => DRIVER,
                _ if name == baseline => BASELINE,
                _ => others.next().unwrap_or(OTHERS[0]),
            };
            (shape, colour, name)
        })
        .collect();

    let position = |point: &Point| (point.connections as f64).log10();
    let panels = distinct(&points, |point| (point.operation, point.size)).into_iter().map(|panel| {
        let points = points.iter().filter(move |point| (point.operation, point.size) == panel);
        let lines = styles.iter().enumerate().map(|(index, &(shape, colour, name))| {
            let value = |point: &&&Point| match name {
                _ if point.driver == name => Some(point.of_driver.cpu_us),
                _ if point.baseline == name => Some(point.of_baseline.cpu_us),
                _ => None,
            };
            let dot =
                |point| value(&point).map(|value| Dot { x: position(point), value, interval: None, shape });
            let mut dots: Vec<Dot> = points.clone().filter_map(dot).collect();
            dots.sort_by(|a, b| a.x.total_cmp(&b.x));
            // A baseline is measured again for each driver.
            dots.dedup_by_key(|dot| dot.x);
            Line { colour, shift: shift(index, styles.len()), dots }
        });
        let (operation, size) = panel;
        (format!("{} {}", text::operation(operation), text::size(size)), lines.collect())
    });
    let title = "CPU time per request by number of connections".to_string();
    let both = points.iter().flat_map(|point| [point.of_driver.cpu_us, point.of_baseline.cpu_us]);
    let marks = points.iter().map(|point| (position(point), text::count(point.connections as f64)));
    let picture = Picture {
        subtitle: "Microseconds of the client's CPU time, user and system".into(),
        legend: styles.iter().map(|&(shape, colour, name)| (shape, colour, name.to_string())).collect(),
        y: Scale::of(both),
        x: (Axis::of_marks(marks), "connections"),
        across: None,
        panels: panels.collect(),
        title: title.clone(),
    };
    Ok(Chart { file: "connections.svg", title, svg: picture.svg()? })
}
