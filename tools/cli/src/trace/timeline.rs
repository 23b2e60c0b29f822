//! A drawing of a trace: a lane for each thread of each session, coloured by the function that it was in.

use std::{collections::BTreeMap, path::Path};

use ktli_uring::trace::format::Function;
use plotters::prelude::*;

use super::read::{Call, Trace};

/// Pixels: of the drawing, and of what is not lanes.
const WIDTH: u32 = 1500;
const LANE: u32 = 36;
const LEFT: u32 = 210;
const REST: u32 = 110;

fn colour(function: Function) -> RGBColor {
    match function {
        Function::Open | Function::Close => RGBColor(0x7f, 0x7f, 0x7f),
        Function::Connect => RGBColor(0x94, 0x67, 0xbd),
        Function::Disconnect => RGBColor(0x8c, 0x56, 0x4b),
        Function::Send => RGBColor(0xd6, 0x27, 0x28),
        Function::Receive => RGBColor(0x1f, 0x77, 0xb4),
        Function::Poll => RGBColor(0xc7, 0xdc, 0xc0),
    }
}

/// A lane: process, handle, thread.
type Lane = (u32, u64, u32);

/// Writes the drawing.
pub fn draw(trace: &Trace, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut lanes: BTreeMap<Lane, Vec<&Call>> = BTreeMap::new();
    for call in &trace.calls {
        lanes.entry((call.process, call.record.handle, call.record.thread)).or_default().push(call);
    }
    let begin = trace.calls.first().map_or(0, |call| call.record.start);
    let end = trace.calls.iter().map(Call::end).max().unwrap_or(begin).max(begin + 1);
    let names: Vec<String> = lanes
        .keys()
        .map(|(process, handle, thread)| format!("{process}: session {:x}, thread {thread}", handle & 0xffff))
        .collect();
    let count = lanes.len().max(1);
    let root = SVGBackend::new(path, (WIDTH, LANE * count as u32 + REST)).into_drawing_area();
    root.fill(&WHITE)?;
    let milliseconds = (end - begin) as f64 / 1e6;
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(30)
        .x_label_area_size(45)
        .y_label_area_size(LEFT)
        .margin_top(40)
        .build_cartesian_2d(0.0..milliseconds, 0.0..count as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_desc("milliseconds")
        .x_labels(12)
        .x_label_formatter(&|x| format!("{x}"))
        .label_style(("sans-serif", 14))
        .draw()?;
    for (index, (calls, name)) in lanes.values().zip(&names).enumerate() {
        // The first lane is at the top.
        let y = (count - 1 - index) as f64;
        let bins = (WIDTH - LEFT) as usize;
        let width = milliseconds / bins as f64;
        chart.draw_series(bars(calls, begin, end, bins).into_iter().map(|bar| {
            let top = y + 0.15 + 0.07 * f64::from(bar.tenths);
            let corners = [(bar.from as f64 * width, y + 0.15), (bar.to as f64 * width, top)];
            Rectangle::new(corners, colour(bar.function).filled())
        }))?;
        let middle = 40 + 10 + LANE as i32 * index as i32 + LANE as i32 / 2 - 8;
        root.draw(&Text::new(name.clone(), (12, middle), ("sans-serif", 14)))?;
    }
    let legend = Function::ALL.iter().filter(|function| **function != Function::Close);
    for (index, function) in legend.enumerate() {
        let x = LEFT as i32 + 120 * index as i32;
        let name = if *function == Function::Open { "open, close" } else { function.name() };
        root.draw(&Rectangle::new([(x, 14), (x + 14, 28)], colour(*function).filled()))?;
        root.draw(&Text::new(name, (x + 20, 13), ("sans-serif", 14)))?;
    }
    root.present()?;
    Ok(())
}

/// A rectangle: bins from `from` to before `to`, so many tenths of the lane high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bar {
    from: usize,
    to: usize,
    function: Function,
    tenths: u8,
}

/// The calls of a lane. A bin is a pixel: thousands of calls must not make as many rectangles. Where a thread was in
/// `poll` at all, that is the ground; on it stands the other function in which it has spent most time, as high as its
/// part of the bin.
fn bars(calls: &[&Call], begin: u64, end: u64, bins: usize) -> Vec<Bar> {
    let width = ((end - begin) as f64 / bins as f64).max(f64::MIN_POSITIVE);
    let mut spent = vec![[0.0_f64; Function::ALL.len()]; bins];
    for call in calls {
        let from = (call.record.start - begin) as f64 / width;
        // A call of no time at all is seen, too.
        let to = ((call.end() - begin) as f64 / width).max(from + 1e-9);
        let last = (to.ceil() as usize).clamp(1, bins) - 1;
        for (bin, spent) in spent.iter_mut().enumerate().take(last + 1).skip(from as usize) {
            let part = to.min(bin as f64 + 1.0) - from.max(bin as f64);
            spent[call.record.function as usize] += part.max(0.0);
        }
    }
    let (mut ground, mut above) = (Vec::new(), Vec::new());
    for (bin, spent) in spent.iter().enumerate() {
        let spent = |function: Function| spent[function as usize];
        if spent(Function::Poll) > 0.0 {
            add(&mut ground, Bar { from: bin, to: bin + 1, function: Function::Poll, tenths: 10 });
        }
        let others = Function::ALL.into_iter().filter(|function| *function != Function::Poll);
        let most = others.max_by(|a, b| spent(*a).total_cmp(&spent(*b)));
        if let Some(function) = most.filter(|function| spent(*function) > 0.0) {
            // What is there at all can be seen.
            let tenths = (spent(function) * 10.0).ceil().clamp(2.0, 10.0) as u8;
            add(&mut above, Bar { from: bin, to: bin + 1, function, tenths });
        }
    }
    ground.append(&mut above);
    ground
}

/// Adds a bar, or makes the last one longer if that comes to the same.
fn add(bars: &mut Vec<Bar>, bar: Bar) {
    match bars.last_mut() {
        Some(last) if last.to == bar.from && (last.function, last.tenths) == (bar.function, bar.tenths) => {
            last.to = bar.to;
        }
        _ => bars.push(bar),
    }
}

#[cfg(test)]
mod tests {
    use ktli_uring::trace::format::Record;

    use super::*;

    fn call(function: Function, start: u64, duration: u64) -> Call {
        let record =
            Record { start, duration, handle: 1, argument: 0, result: 0, errno: 0, thread: 1, function };
        Call { process: 1, record }
    }

    fn drawn(calls: &[Call], begin: u64, end: u64, bins: usize) -> Vec<(usize, usize, Function, u8)> {
        let calls: Vec<&Call> = calls.iter().collect();
        let bars = bars(&calls, begin, end, bins);
        bars.iter().map(|bar| (bar.from, bar.to, bar.function, bar.tenths)).collect()
    }

    #[test]
    fn a_bin_shows_what_took_most_of_it_beside_poll() {
        let calls = [
            call(Function::Poll, 100, 250),
            call(Function::Receive, 350, 30),
            call(Function::Send, 380, 20),
            call(Function::Receive, 400, 100),
            // Of no time.
            call(Function::Send, 700, 0),
        ];
        let bars = [
            (0, 3, Function::Poll, 10),
            (2, 3, Function::Receive, 3),
            (3, 4, Function::Receive, 10),
            (6, 7, Function::Send, 2),
        ];
        assert_eq!(drawn(&calls, 100, 1100, 10), bars);
    }

    #[test]
    fn a_call_at_the_very_end_is_drawn() {
        let calls = [call(Function::Open, 0, 10), call(Function::Close, 10, 0)];
        assert_eq!(drawn(&calls, 0, 10, 5), [(0, 5, Function::Open, 10)]);
        assert_eq!(drawn(&calls[1..], 10, 11, 5), [(0, 1, Function::Close, 2)]);
    }
}
