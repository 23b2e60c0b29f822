//! Reading what the drive reports about itself.

use super::{Done, Failure, Request};
use crate::device::Device;
use crate::protocol::{Body, Capacity, GetLog, LogType, Permission, StatusCode};

/// The drive's own log, of which there is not much. It is never empty and ends with a zero byte: clients in
/// C take an empty field for a missing one and print it as a string.
const MESSAGES: &[u8] = b"kinetic-drive: everything is kept in memory\n\0";

/// What the drive says first on every connection.
pub(crate) fn hello(device: &Device) -> Body {
    into_body(GetLog {
        types: vec![LogType::Configuration.into(), LogType::Limits.into()],
        configuration: Some(device.configuration()),
        limits: Some(device.bounds.limits()),
        ..GetLog::default()
    })
}

pub(super) fn get_log(request: Request<'_>) -> Result<Done, Failure> {
    request.authorize(Permission::GetLog, None)?;
    let device = request.device;
    let types = request.body.get_log.map(|request| request.types).unwrap_or_default();
    if types.is_empty() {
        return Err(Failure::invalid("a log type is required"));
    }
    let mut answer = GetLog::default();
    for &number in &types {
        match LogType::try_from(number) {
            // Memory is never busy and has no thermometer.
            Ok(LogType::Utilizations | LogType::Temperatures) => {}
            Ok(LogType::Capacities) => answer.capacity = Some(capacity(device)),
            Ok(LogType::Configuration) => answer.configuration = Some(device.configuration()),
            Ok(LogType::Statistics) => answer.statistics = device.counters.log(),
            Ok(LogType::Messages) => answer.messages = Some(MESSAGES.to_vec()),
            Ok(LogType::Limits) => answer.limits = Some(device.bounds.limits()),
            Ok(LogType::Device) => {
                return Err(Failure::new(StatusCode::NotFound, "no such device log"));
            }
            Ok(LogType::Invalid) | Err(_) => {
                return Err(Failure::invalid(format!("unknown log type {number}")));
            }
        }
    }
    answer.types = types;
    Ok(Done { body: Some(into_body(answer)), ..Done::default() })
}

fn capacity(device: &Device) -> Capacity {
    let (capacity, used) = device.store.usage();
    let portion_full = if capacity == 0 { 1.0 } else { used as f32 / capacity as f32 };
    Capacity { nominal_capacity: Some(capacity), portion_full: Some(portion_full) }
}

fn into_body(log: GetLog) -> Body {
    Body { get_log: Some(Box::new(log)), ..Body::default() }
}
