//! The messages of the bare peer: Kinetic's framing around a message that only says what is wanted.
//!
//! Both messages are as long as libkinetic's and a drive's usually are, so that the byte counts are those of
//! real requests, without the protobuf and the HMAC, which are no part of a driver.

use kinetic_drive::protocol::{PDU_SIZE, Pdu};

use crate::results::Operation;

/// Length of a request's message.
pub const REQUEST: usize = 120;
/// Length of an answer's message.
pub const ANSWER: usize = 90;

/// What a request's message says to the bare peer: so many bytes of value are to come back.
pub fn request(operation: Operation, size: usize) -> (Pdu, Vec<u8>) {
    let (there, back) = match operation {
        Operation::Put => (size, 0),
        Operation::Get => (0, size),
    };
    let mut message = vec![0x4b; REQUEST];
    message[..4].copy_from_slice(&(back as u32).to_be_bytes());
    (Pdu { message_len: REQUEST as u32, value_len: there as u32 }, message)
}

/// How many bytes of value a request's message asks for.
pub fn wanted(message: &[u8]) -> Option<usize> {
    Some(u32::from_be_bytes(*message.first_chunk()?) as usize)
}

/// PDU and message of an answer.
pub fn answer(value: usize) -> [u8; PDU_SIZE + ANSWER] {
    let mut bytes = [0x41; PDU_SIZE + ANSWER];
    bytes[..PDU_SIZE].copy_from_slice(&Pdu { message_len: ANSWER as u32, value_len: value as u32 }.encode());
    bytes
}
