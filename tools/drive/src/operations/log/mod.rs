//! Reading what the drive reports about itself.

mod vendor;

use bytes::Bytes;

use super::{Done, Failure, Request};
use crate::device::Device;
use crate::protocol::{Body, Capacity, GetLog, LogType, Permission, StatusCode, Utilization};

/// What the drive says first on every connection.
pub(crate) fn hello(device: &Device) -> Body {
    into_body(GetLog {
        types: vec![LogType::Configuration.into(), LogType::Limits.into()],
        configuration: Some(device.configuration()),
        limits: Some(device.bounds.limits()),
        ..GetLog::default()
    })
}

pub(super) fn get_log(mut request: Request<'_>) -> Result<Done, Failure> {
    request.authorize(Permission::GetLog, None)?;
    let device = request.device;
    let wanted = request.body.get_log.take().map(|wanted| *wanted).unwrap_or_default();
    if wanted.types.is_empty() {
        return Err(Failure::invalid("a log type is required"));
    }
    let mut answer = GetLog::default();
    let mut value = None;
    for &number in &wanted.types {
        // Each log once: an answer is not to grow with the request.
        if answer.types.contains(&number) {
            continue;
        }
        answer.types.push(number);
        match LogType::try_from(number) {
            Ok(LogType::Utilizations) => answer.utilizations = utilizations(device),
            // There is no thermometer.
            Ok(LogType::Temperatures) => {}
            Ok(LogType::Capacities) => answer.capacity = Some(capacity(device)),
            Ok(LogType::Configuration) => answer.configuration = Some(device.configuration()),
            Ok(LogType::Statistics) => answer.statistics = device.counters.log(),
            Ok(LogType::Messages) => answer.messages = Some(device.messages.text()),
            Ok(LogType::Limits) => answer.limits = Some(device.bounds.limits()),
            Ok(LogType::Device) => {
                let name = wanted.device.as_ref().and_then(|device| device.name.as_deref());
                let text = vendor::log(name.unwrap_or_default(), &request)
                    .ok_or_else(|| Failure::new(StatusCode::NotFound, "no such device log"))?;
                value = Some(Bytes::from(text));
                answer.device.clone_from(&wanted.device);
            }
            Ok(LogType::Invalid) | Err(_) => {
                return Err(Failure::invalid(format!("unknown log type {number}")));
            }
        }
    }
    Ok(Done { body: Some(into_body(answer)), value: value.unwrap_or_default(), ..Done::default() })
}

/// Only the processors': how busy the medium ("HDA") and the network ("EN0")
/// are is not measured, and a made-up number would be worse than none.
fn utilizations(device: &Device) -> Vec<Utilization> {
    vec![Utilization { name: Some("CPU".to_owned()), value: Some(device.processor.share()) }]
}

fn capacity(device: &Device) -> Capacity {
    let (capacity, used) = device.store.usage();
    let portion_full = if capacity == 0 { 1.0 } else { used as f32 / capacity as f32 };
    Capacity { nominal_capacity: Some(capacity), portion_full: Some(portion_full) }
}

fn into_body(log: GetLog) -> Body {
    Body { get_log: Some(Box::new(log)), ..Body::default() }
}
