/*
 * ktli-uring: libkinetic's transport on Linux io_uring.
 *
 * Generated from src/ffi by `make header`; do not edit.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef KTLI_URING_H
#define KTLI_URING_H

#include <stddef.h>
#include <stdint.h>

/*
 * libkinetic's own headers define these two. A program that has no libkinetic defines
 * KTLI_URING_DEFINE_TYPES before it includes this header, once, to get the same definitions here.
 */
#ifdef KTLI_URING_DEFINE_TYPES
struct kiovec {
  void *kiov_base; /* start of the memory */
  size_t kiov_len; /* its length in bytes */
};
struct ktli_driver_fns {
#ifdef __cplusplus
  void *(*ktli_dfns_open)(void);
#else
  void *(*ktli_dfns_open)(); /* as libkinetic declares it */
#endif
  int (*ktli_dfns_close)(void *dh);
  int (*ktli_dfns_connect)(void *dh, char *host, char *port, int usetls);
  int (*ktli_dfns_disconnect)(void *dh);
  int (*ktli_dfns_send)(void *dh, struct kiovec *msg, int msgcnt);
  int (*ktli_dfns_receive)(void *dh, struct kiovec *msg, int msgcnt);
  int (*ktli_dfns_poll)(void *dh, int timeout);
};
#else
struct kiovec;
struct ktli_driver_fns;
#endif

#ifdef __cplusplus
extern "C" {
#endif
/* The driver's table, for libkinetic's line KTLI_DRIVER_URING. Not to be written to. */
extern struct ktli_driver_fns uring_fns;
#ifdef __cplusplus
}
#endif

// `ktli_uring_config.backend`: io_uring, or plain system calls where the kernel refuses it.
#define KTLI_URING_BACKEND_AUTO 0

// `ktli_uring_config.backend`: io_uring; `ktli_uring_open` fails where the kernel refuses it.
#define KTLI_URING_BACKEND_URING 1

// `ktli_uring_config.backend`: plain system calls.
#define KTLI_URING_BACKEND_SOCKET 2

// `ktli_uring_config.framing`: messages are Kinetic's, a PDU of nine bytes in front of each.
#define KTLI_URING_FRAMING_KINETIC 0

// `ktli_uring_config.framing`: any bytes; poll returns 1 as soon as one is there.
#define KTLI_URING_FRAMING_NONE 1

// `ktli_uring_config.hangup`: on a dead connection poll waits for its time-out and returns 0.
#define KTLI_URING_HANGUP_WAIT 0

// `ktli_uring_config.hangup`: on a dead connection poll returns 1 at once, and receive fails.
#define KTLI_URING_HANGUP_REPORT 1

// `ktli_uring_config.spin`: where a message costs no more than by a sleep, and for the rest of a large value.
#define KTLI_URING_SPIN_AUTO UINT32_MAX

// `ktli_uring_config.send_strategy`: small messages are sent in company, large ones in one operation.
#define KTLI_URING_SEND_AUTO 0

// `ktli_uring_config.send_strategy`: what the socket takes, and again, each message by itself.
#define KTLI_URING_SEND_LOOP 1

// `ktli_uring_config.send_strategy`: each message by itself, in one operation.
#define KTLI_URING_SEND_WHOLE 2

// `ktli_uring_config.send_strategy`: each message by itself, in linked pieces of 256 KiB.
#define KTLI_URING_SEND_CHUNKED 3

// Log level: something failed.
#define KTLI_URING_LOG_ERROR 1

// Log level: something is not as it should be.
#define KTLI_URING_LOG_WARN 2

// Log level: worth knowing.
#define KTLI_URING_LOG_INFO 3

// Log level: for whoever looks for a fault.
#define KTLI_URING_LOG_DEBUG 4

// Log level: everything.
#define KTLI_URING_LOG_TRACE 5

// `ktli_uring_config.features_off`: `single_issuer` (Linux 6.0).
#define KTLI_URING_FEATURE_SINGLE_ISSUER (1 << 0)

// `ktli_uring_config.features_off`: `defer_taskrun` (Linux 6.1).
#define KTLI_URING_FEATURE_DEFER_TASKRUN (1 << 1)

// `ktli_uring_config.features_off`: `coop_taskrun` (Linux 5.19).
#define KTLI_URING_FEATURE_COOP_TASKRUN (1 << 2)

// `ktli_uring_config.features_off`: `taskrun_flag` (Linux 5.19).
#define KTLI_URING_FEATURE_TASKRUN_FLAG (1 << 3)

// `ktli_uring_config.features_off`: `submit_all` (Linux 5.18).
#define KTLI_URING_FEATURE_SUBMIT_ALL (1 << 4)

// `ktli_uring_config.features_off`: `sqpoll` (Linux 5.1).
#define KTLI_URING_FEATURE_SQPOLL (1 << 5)

// `ktli_uring_config.features_off`: `nodrop` (Linux 5.5).
#define KTLI_URING_FEATURE_NODROP (1 << 6)

// `ktli_uring_config.features_off`: `submit_stable` (Linux 5.5).
#define KTLI_URING_FEATURE_SUBMIT_STABLE (1 << 7)

// `ktli_uring_config.features_off`: `fast_poll` (Linux 5.7).
#define KTLI_URING_FEATURE_FAST_POLL (1 << 8)

// `ktli_uring_config.features_off`: `ext_arg` (Linux 5.11).
#define KTLI_URING_FEATURE_EXT_ARG (1 << 9)

// `ktli_uring_config.features_off`: `multishot_poll` (Linux 5.13).
#define KTLI_URING_FEATURE_MULTISHOT_POLL (1 << 10)

// `ktli_uring_config.features_off`: `probe` (Linux 5.6).
#define KTLI_URING_FEATURE_PROBE (1 << 11)

// `ktli_uring_config.features_off`: `register_files` (Linux 5.1).
#define KTLI_URING_FEATURE_REGISTER_FILES (1 << 12)

// `ktli_uring_config.features_off`: `sendmsg` (Linux 5.3).
#define KTLI_URING_FEATURE_SENDMSG (1 << 13)

// `ktli_uring_config.features_off`: `send` (Linux 5.6).
#define KTLI_URING_FEATURE_SEND (1 << 14)

// `ktli_uring_config.features_off`: `recv` (Linux 5.6).
#define KTLI_URING_FEATURE_RECV (1 << 15)

// `ktli_uring_config.features_off`: `poll_add` (Linux 5.1).
#define KTLI_URING_FEATURE_POLL_ADD (1 << 16)

// `ktli_uring_config.features_off`: `async_cancel` (Linux 5.5).
#define KTLI_URING_FEATURE_ASYNC_CANCEL (1 << 17)

// `ktli_uring_config.features_off`: `write` (Linux 5.6).
#define KTLI_URING_FEATURE_WRITE (1 << 18)

// `ktli_uring_config.features_off`: `sendmsg_zc` (Linux 6.1).
#define KTLI_URING_FEATURE_SENDMSG_ZC (1 << 19)

// `ktli_uring_config.features_off`: `cancel_result` (Linux 6.1).
#define KTLI_URING_FEATURE_CANCEL_RESULT (1 << 20)

// `ktli_uring_config.features_off`: ktls (Linux 5.11).
#define KTLI_URING_FEATURE_KTLS (1 << 21)

// The options. The same as the environment's, which beat them.
//
// Set `size` to `sizeof(struct ktli_uring_config)`, call `ktli_uring_get_config` for the values in
// force, change some, and call `ktli_uring_configure`. A later version may append members; programs
// built against this one go on working, since `size` tells how many they know.
struct ktli_uring_config {
  // Size of this structure in bytes, as the program knows it.
  size_t size;
  // One of `KTLI_URING_BACKEND_*`.
  int32_t backend;
  // One of `KTLI_URING_FRAMING_*`.
  int32_t framing;
  // One of `KTLI_URING_HANGUP_*`.
  int32_t hangup;
  // Bytes to ask of the kernel as send buffer, 1 to 16 MiB.
  uint32_t send_buffer;
  // Bytes to ask of the kernel as receive buffer, 1 to 16 MiB.
  uint32_t receive_buffer;
  // Milliseconds that connect may take over all addresses, 1 to 600,000.
  uint32_t connect_timeout;
  // Milliseconds that one send may take, 1 to 29,000.
  uint32_t send_timeout;
  // Milliseconds that disconnect may take, 0 to 60,000.
  uint32_t linger;
  // 1: a kernel thread, one for the whole process, does the submitting. Not with `zero_copy`, which goes before.
  int32_t sqpoll;
  // Milliseconds without work after which that thread sleeps, 1 to 60,000.
  uint32_t sqpoll_idle;
  // CPU to which that thread is bound, 0 to 4,095, or -1.
  int32_t sqpoll_cpu;
  // Microseconds that a receiver looks for more before it sleeps, 0 to 1,000, or `KTLI_URING_SPIN_AUTO`.
  uint32_t spin;
  // One of `KTLI_URING_SEND_*`. All but `KTLI_URING_SEND_AUTO` are for measuring: the whole message has left
  // when send returns, so the answer may come before that, and an unmodified libkinetic may then write
  // to a request that it has freed.
  int32_t send_strategy;
  // Messages of at least this many bytes, 16 KiB to 64 MiB, are sent without a copy; send then returns when the
  // drive has acknowledged them. 0: none.
  uint32_t zero_copy;
  // 1: when a connection ends, what it has done is printed to stderr.
  int32_t stats;
  // `KTLI_URING_FEATURE_*` bits: features of io_uring that are not to be used, as if the kernel did not have them.
  // For testing; what happens without each tells docs/kernel-features.md.
  uint64_t features_off;
};

// Receives one log line, terminated and without a line end, with its level (`KTLI_URING_LOG_*`) and the
// pointer that was given with it. Called from any thread that is inside the library, and from the
// library's own; the text is gone after the return. It must not call the library.
typedef void (*ktli_uring_log_fn)(int level, const char *text, void *context);

// What one connection has done since it was made. Set `size` to `sizeof(struct ktli_uring_statistics)` and
// call `ktli_uring_stats`. A later version may append members; programs built against this one go on
// working, since `size` tells how many they know.
//
// The *sender* is the thread that calls send, the *receiver* the one that calls poll and receive, and the
// *others* are the library's own thread, disconnect and exit. All system calls that are made for the
// connection are counted, but for these: those that make, connect and close sockets and rings, those by which the
// C library gets memory, those that wait for a lock or for what another thread does with the session (and those that
// end such a wait), those that start the library's own thread and by which it waits, and those that write log lines
// and tables. Where the kernel cannot tell the time without a system call (see vdso(7)), reading a clock is one more
// that is not counted.
struct ktli_uring_statistics {
  // Size of this structure in bytes, as the program knows it.
  size_t size;
  // Messages that send accepted.
  uint64_t messages_sent;
  // Their bytes.
  uint64_t bytes_sent;
  // Messages of which receive handed out the last byte; with `KTLI_URING_FRAMING=none` calls of receive.
  uint64_t messages_received;
  // Bytes that receive handed out.
  uint64_t bytes_received;
  // The sender's calls of `io_uring_enter(2)`.
  uint64_t sender_enters;
  // The sender's calls of sendmsg(2).
  uint64_t sender_sendmsgs;
  // The sender's calls of ppoll(2).
  uint64_t sender_polls;
  // The sender's writes to the eventfd that wakes the receiver.
  uint64_t sender_wake_writes;
  // The receiver's calls of `io_uring_enter(2)`.
  uint64_t receiver_enters;
  // The receiver's calls of sendmsg(2).
  uint64_t receiver_sendmsgs;
  // The receiver's calls of recvmsg(2).
  uint64_t receiver_recvmsgs;
  // The receiver's calls of ppoll(2).
  uint64_t receiver_polls;
  // The receiver's reads from the eventfd.
  uint64_t receiver_wake_reads;
  // The receiver's yields and short sleeps: while the sender was staging a message, or had not let go of the request
  // whose answer is there; between two looks with `KTLI_URING_SPIN`.
  uint64_t receiver_pauses;
  // The others' calls of sendmsg(2).
  uint64_t other_sendmsgs;
  // The others' calls of recvmsg(2).
  uint64_t other_recvmsgs;
  // The others' calls of ppoll(2).
  uint64_t other_polls;
  // The others' writes to the eventfd.
  uint64_t other_wake_writes;
  // Flushes by the sender: transmissions of staged messages, one or many at a time.
  uint64_t sender_flushes;
  // Messages whose last byte left in a flush by the sender.
  uint64_t sender_flushed_messages;
  // Bytes that left in flushes by the sender.
  uint64_t sender_flushed_bytes;
  // Flushes by the receiver.
  uint64_t receiver_flushes;
  // Messages whose last byte left in a flush by the receiver.
  uint64_t receiver_flushed_messages;
  // Bytes that left in flushes by the receiver.
  uint64_t receiver_flushed_bytes;
  // Flushes by the others.
  uint64_t other_flushes;
  // Messages whose last byte left in a flush by the others.
  uint64_t other_flushed_messages;
  // Bytes that left in flushes by the others.
  uint64_t other_flushed_bytes;
  // Transmissions, anyone's, of which the kernel took less than was offered, or nothing.
  uint64_t short_sends;
  // Waits, of either half, for room in a full socket. Where one operation on a ring waits by itself until all has
  // left, those of the sender that took 40 ms.
  uint64_t socket_full_waits;
  // Transmissions straight from the caller's memory: of large messages, and of others that were better sent at once.
  uint64_t large_sends;
  // Bytes that left in them.
  uint64_t large_sent_bytes;
  // Transmissions that asked the kernel to copy nothing.
  uint64_t zero_copy_sends;
  // Those for which it copied all the same.
  uint64_t zero_copy_copied;
  // How often the sender woke the receiver.
  uint64_t wake_ups;
  // How often the receiver went to sleep.
  uint64_t receiver_sleeps;
  // Spins that found something and saved a sleep.
  uint64_t spins_paid;
  // Spins that found nothing.
  uint64_t spins_lost;
  // Receives into the read-ahead buffer, those included that went on there behind the end of a large value.
  uint64_t read_aheads;
  // Calls of poll that found a message in memory, without a system call.
  uint64_t poll_hits;
  // Calls of receive that were served wholly from memory, without a system call.
  uint64_t receive_hits;
  // Receives straight into the caller's memory.
  uint64_t direct_receives;
  // Bytes that came in them.
  uint64_t direct_received_bytes;
  // The sender's yields and short sleeps. None but while a large message waits for answers from a drive on the same
  // machine, with `KTLI_URING_SEND=chunked`, or where something has failed.
  uint64_t sender_pauses;
  // The receiver's calls of setsockopt(2): low-water marks, when a large value is announced or waited for and when
  // something else is, and time-outs of a receive that itself waits.
  uint64_t receiver_setsockopts;
  // The receiver's calls of madvise(2), where a session is idle.
  uint64_t receiver_rare_calls;
  // The others' short sleeps. Those for several connections at a time are counted for one of them.
  uint64_t other_pauses;
  // Calls of shutdown(2), connect(2) and setsockopt(2) that end a connection, whoever makes them.
  uint64_t other_rare_calls;
  // All system calls together: the sum of all those above.
  uint64_t system_calls;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Opens a session, which is not connected yet.
//
// Returns a handle, which is a number and not an address, or NULL with errno: EMFILE when 65,536
// sessions are open; the kernel's reason (ENOSYS, EPERM, ENOMEM) when `KTLI_URING_BACKEND` is `uring`
// and io_uring cannot be had.
//
// Any thread. The session is the caller's until `ktli_uring_close`.
void *ktli_uring_open(void);

// Closes a session, disconnecting it first; see `ktli_uring_disconnect`.
//
// Returns 0, or -1 with errno: EINVAL for NULL, EBADF for a handle that is not open.
//
// Any thread, also while others are inside `send`, `receive` or `poll` of the same session: they
// return. From then on the handle is stale: using it fails, and does nothing else.
int ktli_uring_close(void *dh);

// Connects a session over TCP to `host` (a name or an IPv4 or IPv6 address) and `port` (a number or a
// service's name), over TLS 1.2 or 1.3 if `usetls` is not 0, waiting at most for `KTLI_URING_CONNECT_TIMEOUT`. The
// resolver's own time is extra.
//
// Returns 0, or -1 with errno: EINVAL for a NULL argument, EBADF for a handle that is not open,
// EISCONN when it is connected, EALREADY while another thread connects or disconnects it,
// EHOSTUNREACH when the name is not known, ETIMEDOUT, ECONNREFUSED or what else the kernel says, ECONNABORTED when
// another thread disconnected it. With `usetls`: EINVAL when a `KTLI_URING_TLS_` variable or a file that it names cannot
// be used, EPROTO when there is no agreement with the peer, EACCES when its certificate is refused, EPROTONOSUPPORT in
// a build without TLS.
//
// Any thread. Both strings are the caller's and are not used after the return.
//
// # Safety
// `host` and `port` must be NULL or terminated strings.
int ktli_uring_connect(void *dh, char *host, char *port, int usetls);

// Disconnects a session: sends what was accepted, closes the sending direction, reads until the drive
// has closed its own, for at most `KTLI_URING_LINGER` together, and closes the socket. On a dead
// connection it does not wait. The session can be connected again.
//
// Returns 0, also when there is nothing to disconnect, or -1 with errno: EINVAL for NULL, EBADF for a
// handle that is not open.
//
// Any thread, also while others are inside `send` or `receive`, which then fail with ECONNABORTED or
// ENOTCONN within 100 ms (a `send` without a copy, see `KTLI_URING_ZC`, within `KTLI_URING_LINGER` if that is
// longer), or inside `poll`, which waits for its time-out.
int ktli_uring_disconnect(void *dh);

// Sends a message: all bytes of the `msgcnt` entries of `msg`, in order.
//
// Returns their number, or -1 with errno; never a part. EINVAL for NULL or a negative count, EBADF for
// a handle that is not open, ENOTCONN when it is not connected, EFAULT, EMSGSIZE for more than `INT_MAX`
// bytes, EBUSY while another thread is inside `send` of this session, ETIMEDOUT after
// `KTLI_URING_SEND_TIMEOUT` (the connection is dead then), ECONNABORTED when it was disconnected
// meanwhile, ENOMEM, or what the kernel said of the connection, which also later sends then fail with.
//
// Where the drive is on the same machine, a message of 128 KiB or more may first wait, for 20 ms at the most, for answers
// to earlier ones, so that the drive does not fall behind.
//
// A success means that the message was accepted, not that it has left: where many are outstanding, the thread
// that polls sends it with others, usually within microseconds. A session that nobody polls, or has stopped to poll, sends for itself:
// before `send` returns, or at most 20 ms later. `_exit`, abort and a killing signal lose what was
// accepted and has not left; `disconnect`, `close` and exit do not, but for an exit by a signal handler that has
// interrupted a call of this library.
//
// With `KTLI_URING_ZC` a message of at least so many bytes has been acknowledged when `send` returns; one that is not
// in time is lost with the connection (ETIMEDOUT), even if all of it is on its way.
//
// One thread at a time. Vector and memory are the caller's and are not used after the return.
//
// # Safety
// `msg` must be NULL or point to `msgcnt` entries whose memory can be read.
int ktli_uring_send(void *dh, struct kiovec *msg, int msgcnt);

// Receives exactly as many bytes as the `msgcnt` entries of `msg` hold, waiting for them as long as it
// takes.
//
// Returns their number, or -1 with errno; never a part. EINVAL for NULL or a negative count, EBADF for
// a handle that is not open, ENOTCONN when it is not connected, EFAULT, EMSGSIZE for more than `INT_MAX`
// bytes, EBUSY while another thread is inside `poll` or `receive` of this session, ECONNRESET when the
// drive has closed the connection, ECONNABORTED when it was disconnected meanwhile, EPROTO when what
// came is not a Kinetic PDU, ENOMEM, or what the kernel said of the connection.
//
// One thread at a time. Vector and memory are the caller's and are not used after the return.
//
// # Safety
// `msg` must be NULL or point to `msgcnt` entries whose memory can be written and is used by nobody
// else meanwhile.
int ktli_uring_receive(void *dh, struct kiovec *msg, int msgcnt);

// Waits until a message can be received, at most `timeout` milliseconds (0: does not wait; negative:
// no limit).
//
// Returns 1 when PDU, message and a small value are there as a whole, or all but a value that is large
// (48 KiB or more) or a message too large to be buffered (256 KiB); 0 when the time has passed. On a
// session that is not connected, dead or closed it waits for the time-out, too, and returns 0 (a
// negative time-out is 1 s there unless the connection is dead), or with `KTLI_URING_HANGUP=report` and a
// dead connection 1. -1 with errno only for a wrong use: EINVAL for NULL, EBADF for what never was a
// handle, EBUSY while another thread is inside `poll` or `receive` of this session.
//
// One thread at a time, the same that calls `receive`. While it waits it sends what `send` accepted. An answer is
// not announced before the thread that sent the request has run since its `send` returned (for up to 10 ms, by
// which the time-out may be exceeded): libkinetic uses the request for some 100 ns longer. Where requests come one
// at a time the time-out is rounded up to the kernel's ticks and one more, and may be exceeded by up to 20 ms.
int ktli_uring_poll(void *dh, int timeout);

// Fills in the options in force for sessions that connect from now on. `config->size` must be set.
//
// Returns 0, or -1 with errno EINVAL for NULL or an impossible size. Any thread.
//
// # Safety
// `config` must be NULL or point to `config->size` bytes.
int ktli_uring_get_config(struct ktli_uring_config *config);

// Sets the options for sessions that connect from now on. Members beyond `config->size` stay as they
// are. An environment variable for the same option beats what is set here.
//
// Returns 0, or -1 with errno EINVAL for NULL, an impossible size or a value out of its range, which is
// named in the log; then nothing is changed. Any thread.
//
// # Safety
// `config` must be NULL or point to `config->size` bytes.
int ktli_uring_configure(const struct ktli_uring_config *config);

// Sends log lines to `callback` from now on instead of stderr; NULL: to stderr again. Which levels there
// are is `KTLI_URING_LOG`'s matter. `context` is passed on and must stay valid.
//
// Returns 0, or -1 with errno ENOMEM. Any thread; another thread may be inside the former callback when this returns.
//
// # Safety
// `callback` must be NULL or a function of that type that may be called from any thread.
int ktli_uring_set_log(ktli_uring_log_fn callback, void *context);

// Writes a line that tells what new connections will use (io_uring with which flags, or plain system
// calls and why) to `buffer`, cut to `size` bytes with the terminating zero.
//
// Returns the length of the whole line without the zero, like snprintf, or -1 with errno EINVAL for a
// NULL buffer with a size. Any thread.
//
// # Safety
// `buffer` must be NULL with `size` 0, or point to `size` bytes that can be written.
int ktli_uring_describe(char *buffer, size_t size);

// The library's version, as "major.minor.patch". Never NULL; the text is static.
const char *ktli_uring_version(void);

// Fills in the counters of the connection that a session has, or had last. `statistics->size` must be set;
// it becomes the number of bytes that were filled in. Takes the counters as they are: while others send and
// receive they may be a message apart from each other.
//
// Returns 0, or -1 with errno: EINVAL for NULL or an impossible size, EBADF for a handle that is not open,
// ENOTCONN when it was never connected. Any thread.
//
// # Safety
// `statistics` must be NULL or point to `statistics->size` bytes.
int ktli_uring_stats(void *dh, struct ktli_uring_statistics *statistics);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* KTLI_URING_H */
