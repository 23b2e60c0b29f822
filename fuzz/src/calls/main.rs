//! The driver's functions in any order, against a peer that does whatever the input says: each returns what the
//! contract allows, every byte arrives once and in order, and nothing hangs.
//!
//! The input: a byte with the options, then one byte for each step with what it needs behind it. All is done on one
//! thread, so that an input does the same each time.

#![no_main]

mod driver;
mod input;
mod model;
mod peer;

use libfuzzer_sys::fuzz_target;

use crate::{input::Input, model::Model};

/// Each step takes some microseconds; those that wait take milliseconds.
const STEPS: usize = 200;

fuzz_target!(init: driver::quiet(), |bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let mut model = Model::new(&mut input);
    for _ in 0..STEPS {
        let Some(step) = input.next() else { break };
        model.step(step, &mut input);
    }
    model.end();
});
