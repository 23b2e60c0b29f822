//! The bits of `ktli_uring_config.features_off`: what of the kernel the driver is to do without. Each is
//! [`Feature`](crate::features::Feature)'s number; what happens without it says `docs/kernel-features.md`.

/// `ktli_uring_config.features_off`: `single_issuer` (Linux 6.0).
pub const KTLI_URING_FEATURE_SINGLE_ISSUER: u64 = 1 << 0;
/// `ktli_uring_config.features_off`: `defer_taskrun` (Linux 6.1).
pub const KTLI_URING_FEATURE_DEFER_TASKRUN: u64 = 1 << 1;
/// `ktli_uring_config.features_off`: `coop_taskrun` (Linux 5.19).
pub const KTLI_URING_FEATURE_COOP_TASKRUN: u64 = 1 << 2;
/// `ktli_uring_config.features_off`: `taskrun_flag` (Linux 5.19).
pub const KTLI_URING_FEATURE_TASKRUN_FLAG: u64 = 1 << 3;
/// `ktli_uring_config.features_off`: `submit_all` (Linux 5.18).
pub const KTLI_URING_FEATURE_SUBMIT_ALL: u64 = 1 << 4;
/// `ktli_uring_config.features_off`: `sqpoll` (Linux 5.1).
pub const KTLI_URING_FEATURE_SQPOLL: u64 = 1 << 5;
/// `ktli_uring_config.features_off`: `nodrop` (Linux 5.5).
pub const KTLI_URING_FEATURE_NODROP: u64 = 1 << 6;
/// `ktli_uring_config.features_off`: `submit_stable` (Linux 5.5).
pub const KTLI_URING_FEATURE_SUBMIT_STABLE: u64 = 1 << 7;
/// `ktli_uring_config.features_off`: `fast_poll` (Linux 5.7).
pub const KTLI_URING_FEATURE_FAST_POLL: u64 = 1 << 8;
/// `ktli_uring_config.features_off`: `ext_arg` (Linux 5.11).
pub const KTLI_URING_FEATURE_EXT_ARG: u64 = 1 << 9;
/// `ktli_uring_config.features_off`: `multishot_poll` (Linux 5.13).
pub const KTLI_URING_FEATURE_MULTISHOT_POLL: u64 = 1 << 10;
/// `ktli_uring_config.features_off`: `probe` (Linux 5.6).
pub const KTLI_URING_FEATURE_PROBE: u64 = 1 << 11;
/// `ktli_uring_config.features_off`: `register_files` (Linux 5.1).
pub const KTLI_URING_FEATURE_REGISTER_FILES: u64 = 1 << 12;
/// `ktli_uring_config.features_off`: `sendmsg` (Linux 5.3).
pub const KTLI_URING_FEATURE_SENDMSG: u64 = 1 << 13;
/// `ktli_uring_config.features_off`: `send` (Linux 5.6).
pub const KTLI_URING_FEATURE_SEND: u64 = 1 << 14;
/// `ktli_uring_config.features_off`: `recv` (Linux 5.6).
pub const KTLI_URING_FEATURE_RECV: u64 = 1 << 15;
/// `ktli_uring_config.features_off`: `poll_add` (Linux 5.1).
pub const KTLI_URING_FEATURE_POLL_ADD: u64 = 1 << 16;
/// `ktli_uring_config.features_off`: `async_cancel` (Linux 5.5).
pub const KTLI_URING_FEATURE_ASYNC_CANCEL: u64 = 1 << 17;
/// `ktli_uring_config.features_off`: `write` (Linux 5.6).
pub const KTLI_URING_FEATURE_WRITE: u64 = 1 << 18;
/// `ktli_uring_config.features_off`: `sendmsg_zc` (Linux 6.1).
pub const KTLI_URING_FEATURE_SENDMSG_ZC: u64 = 1 << 19;
/// `ktli_uring_config.features_off`: `cancel_result` (Linux 6.1).
pub const KTLI_URING_FEATURE_CANCEL_RESULT: u64 = 1 << 20;
/// `ktli_uring_config.features_off`: ktls (Linux 5.11).
pub const KTLI_URING_FEATURE_KTLS: u64 = 1 << 21;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Features;

    #[test]
    fn the_bits_are_those_of_the_names() {
        for (bit, name) in [
            (KTLI_URING_FEATURE_SINGLE_ISSUER, "single_issuer"),
            (KTLI_URING_FEATURE_DEFER_TASKRUN, "defer_taskrun"),
            (KTLI_URING_FEATURE_COOP_TASKRUN, "coop_taskrun"),
            (KTLI_URING_FEATURE_TASKRUN_FLAG, "taskrun_flag"),
            (KTLI_URING_FEATURE_SUBMIT_ALL, "submit_all"),
            (KTLI_URING_FEATURE_SQPOLL, "sqpoll"),
            (KTLI_URING_FEATURE_NODROP, "nodrop"),
            (KTLI_URING_FEATURE_SUBMIT_STABLE, "submit_stable"),
            (KTLI_URING_FEATURE_FAST_POLL, "fast_poll"),
            (KTLI_URING_FEATURE_EXT_ARG, "ext_arg"),
            (KTLI_URING_FEATURE_MULTISHOT_POLL, "multishot_poll"),
            (KTLI_URING_FEATURE_PROBE, "probe"),
            (KTLI_URING_FEATURE_REGISTER_FILES, "register_files"),
            (KTLI_URING_FEATURE_SENDMSG, "sendmsg"),
            (KTLI_URING_FEATURE_SEND, "send"),
            (KTLI_URING_FEATURE_RECV, "recv"),
            (KTLI_URING_FEATURE_POLL_ADD, "poll_add"),
            (KTLI_URING_FEATURE_ASYNC_CANCEL, "async_cancel"),
            (KTLI_URING_FEATURE_WRITE, "write"),
            (KTLI_URING_FEATURE_SENDMSG_ZC, "sendmsg_zc"),
            (KTLI_URING_FEATURE_CANCEL_RESULT, "cancel_result"),
            (KTLI_URING_FEATURE_KTLS, "ktls"),
        ] {
            assert_eq!(Features::from_bits(bit).names(), name);
        }
    }
}
