//! Batches.

/// A `START_BATCH` of batch 7, sequence 1.
pub const START_BATCH: &[&str] = &[
    "46 00 00 00 2a 00 00 00 00", // 'F', message of 42 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "28 29 8b cd 5d f3 79 e0 c5 21 fa c3 2c b4 31 6d d4 4b ad b1", //     computed by Python's hmac
    "3a 0c",                      // commandBytes
    "0a 0a",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 01",                      //     sequence 1
    "38 2a",                      //     messageType START_BATCH
    "70 07",                      //     batchID 7
];

/// Its answer.
pub const START_BATCH_RESPONSE: &[&str] = &[
    "46 00 00 00 2a 00 00 00 00", // 'F', message of 42 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "93 c4 46 3c 9a d1 1d f0 01 f0 1a 9e 80 85 c9 73 06 90 a8 43", //     computed by Python's hmac
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 01",                      //     ackSequence 1
    "38 29",                      //     messageType START_BATCH_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A PUT in batch 7, sequence 2; there is no answer.
pub const PUT_IN_BATCH: &[&str] = &[
    "46 00 00 00 33 00 00 00 05", // 'F', message of 51 bytes, value of 5
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "20 42 84 3f e2 9e 5e 70 4d a0 cc 46 36 31 ab f3 31 9a 94 8a", //     computed by Python's hmac
    "3a 15",                      // commandBytes
    "0a 0a",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 02",                      //     sequence 2
    "38 04",                      //     messageType PUT
    "70 07",                      //     batchID 7
    "12 07",                      //   body
    "0a 05",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
    "76 61 6c 75 65",             // value "value"
];

/// A DELETE in batch 7 whatever the version, sequence 300; there is no answer.
pub const DELETE_IN_BATCH: &[&str] = &[
    "46 00 00 00 36 00 00 00 00", // 'F', message of 54 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "82 9a 48 24 d3 7d 99 97 51 38 68 f2 15 f6 cc 04 54 a5 44 dc", //     computed by Python's hmac
    "3a 18",                      // commandBytes
    "0a 0b",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 ac 02",                   //     sequence 300
    "38 06",                      //     messageType DELETE
    "70 07",                      //     batchID 7
    "12 09",                      //   body
    "0a 07",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "79 65 6b",                   //         "yek"
    "40 01",                      //       force true
];

/// An `END_BATCH` of batch 7 with two operations, sequence 301.
pub const END_BATCH: &[&str] = &[
    "46 00 00 00 31 00 00 00 00", // 'F', message of 49 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "29 09 11 ef b9 c4 0e 97 78 34 f7 50 33 87 9a 69 05 79 1c bf", //     computed by Python's hmac
    "3a 13",                      // commandBytes
    "0a 0b",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 ad 02",                   //     sequence 301
    "38 2c",                      //     messageType END_BATCH
    "70 07",                      //     batchID 7
    "12 04",                      //   body
    "4a 02",                      //     batch
    "08 02",                      //       count 2
];

/// Its answer: the sequences of both.
pub const END_BATCH_RESPONSE: &[&str] = &[
    "46 00 00 00 34 00 00 00 00", // 'F', message of 52 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "0d ee 28 e0 1c 9c 03 ef 31 96 f3 3c 21 a5 be 70 af 67 60 31", //     computed by Python's hmac
    "3a 16",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 ad 02",                   //     ackSequence 301
    "38 2b",                      //     messageType END_BATCH_RESPONSE
    "12 07",                      //   body
    "4a 05",                      //     batch
    "12 03",                      //       sequence, packed, 3 bytes
    "02 ac 02",                   //         2, 300
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A `START_BATCH` of batch 8, sequence 302.
pub const START_ANOTHER_BATCH: &[&str] = &[
    "46 00 00 00 2b 00 00 00 00", // 'F', message of 43 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "67 ac db 9d 32 80 85 e7 86 3b e8 28 1e 4b 68 76 b7 3c c7 a2", //     computed by Python's hmac
    "3a 0d",                      // commandBytes
    "0a 0b",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 ae 02",                   //     sequence 302
    "38 2a",                      //     messageType START_BATCH
    "70 08",                      //     batchID 8
];

/// Its answer.
pub const START_ANOTHER_BATCH_RESPONSE: &[&str] = &[
    "46 00 00 00 2b 00 00 00 00", // 'F', message of 43 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "39 ea 22 2d d3 b8 bf 66 52 0a a5 26 c5 71 45 54 0e 25 df 3b", //     computed by Python's hmac
    "3a 0d",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 ae 02",                   //     ackSequence 302
    "38 29",                      //     messageType START_BATCH_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A DELETE of another version in batch 8, sequence 303; there is no answer.
pub const DELETE_THAT_FAILS: &[&str] = &[
    "46 00 00 00 39 00 00 00 00", // 'F', message of 57 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "e4 e8 ce eb 70 6d 98 59 71 8f c2 50 bd 5d 9c e5 3f 9f 24 4b", //     computed by Python's hmac
    "3a 1b",                      // commandBytes
    "0a 0b",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 af 02",                   //     sequence 303
    "38 06",                      //     messageType DELETE
    "70 08",                      //     batchID 8
    "12 0c",                      //   body
    "0a 0a",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
    "22 03",                      //       dbVersion, 3 bytes
    "6f 6e 65",                   //         "one"
];

/// An `END_BATCH` of batch 8, sequence 304.
pub const END_BATCH_THAT_FAILS: &[&str] = &[
    "46 00 00 00 31 00 00 00 00", // 'F', message of 49 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "f3 c0 f2 70 0c f6 23 ef 6c 9c 33 39 f1 2f 40 31 ca 59 02 fe", //     computed by Python's hmac
    "3a 13",                      // commandBytes
    "0a 0b",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 b0 02",                   //     sequence 304
    "38 2c",                      //     messageType END_BATCH
    "70 08",                      //     batchID 8
    "12 04",                      //   body
    "4a 02",                      //     batch
    "08 01",                      //       count 1
];

/// Its answer: the sequence of what failed, and why.
pub const END_BATCH_THAT_FAILS_RESPONSE: &[&str] = &[
    "46 00 00 00 55 00 00 00 00", // 'F', message of 85 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "6f 88 1a 4a 5e 1e d9 a2 20 c5 71 89 98 22 63 2a 76 e6 dc 63", //     computed by Python's hmac
    "3a 37",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 b0 02",                   //     ackSequence 304
    "38 2b",                      //     messageType END_BATCH_RESPONSE
    "12 05",                      //   body
    "4a 03",                      //     batch
    "18 af 02",                   //       failedSequence 303
    "1a 25",                      //   status
    "08 08",                      //     code VERSION_MISMATCH
    "12 21",                      //     statusMessage, 33 bytes
    "74 68 65 20 73 74 6f 72 65 64 20 76 65 72 73 69 6f 6e 20 69 73 20 61 6e 6f 74 68 65 72 20 6f 6e 65", //       "the stored version is another one"
];

/// A `START_BATCH` of batch 9, sequence 305.
pub const START_A_THIRD_BATCH: &[&str] = &[
    "46 00 00 00 2b 00 00 00 00", // 'F', message of 43 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "f7 83 25 7d 02 2a 93 5d 7c 73 46 9a f0 89 e1 a2 aa 14 e7 33", //     computed by Python's hmac
    "3a 0d",                      // commandBytes
    "0a 0b",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 b1 02",                   //     sequence 305
    "38 2a",                      //     messageType START_BATCH
    "70 09",                      //     batchID 9
];

/// Its answer.
pub const START_A_THIRD_BATCH_RESPONSE: &[&str] = &[
    "46 00 00 00 2b 00 00 00 00", // 'F', message of 43 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "61 02 4e 30 56 f8 c7 3c c8 7a d2 6d 59 a6 ca 72 7c b1 13 2f", //     computed by Python's hmac
    "3a 0d",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 b1 02",                   //     ackSequence 305
    "38 29",                      //     messageType START_BATCH_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// An `ABORT_BATCH` of batch 9, sequence 306.
pub const ABORT_BATCH: &[&str] = &[
    "46 00 00 00 2b 00 00 00 00", // 'F', message of 43 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "d7 a3 9f 32 7c 02 29 cb b1 55 29 49 12 42 4e 1d b2 34 4f 06", //     computed by Python's hmac
    "3a 0d",                      // commandBytes
    "0a 0b",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 b2 02",                   //     sequence 306
    "38 2e",                      //     messageType ABORT_BATCH
    "70 09",                      //     batchID 9
];

/// Its answer.
pub const ABORT_BATCH_RESPONSE: &[&str] = &[
    "46 00 00 00 2b 00 00 00 00", // 'F', message of 43 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "9b 57 00 ef 6c 16 c7 13 16 08 e0 98 df 47 9c 0b 97 55 87 66", //     computed by Python's hmac
    "3a 0d",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 b2 02",                   //     ackSequence 306
    "38 2d",                      //     messageType ABORT_BATCH_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// The same once more, sequence 307.
pub const ABORT_NO_BATCH: &[&str] = &[
    "46 00 00 00 2b 00 00 00 00", // 'F', message of 43 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "05 80 f4 70 57 19 86 43 0f cc 27 32 14 ac d6 a0 3b 6a 1e ff", //     computed by Python's hmac
    "3a 0d",                      // commandBytes
    "0a 0b",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 b3 02",                   //     sequence 307
    "38 2e",                      //     messageType ABORT_BATCH
    "70 09",                      //     batchID 9
];

/// Its answer.
pub const ABORT_NO_BATCH_RESPONSE: &[&str] = &[
    "46 00 00 00 40 00 00 00 00", // 'F', message of 64 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "d0 b3 8a 33 68 c2 43 08 3f 69 ce 54 69 ae 89 c2 49 14 56 21", //     computed by Python's hmac
    "3a 22",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 b3 02",                   //     ackSequence 307
    "38 2d",                      //     messageType ABORT_BATCH_RESPONSE
    "1a 17",                      //   status
    "08 15",                      //     code INVALID_BATCH
    "12 13",                      //     statusMessage, 19 bytes
    "74 68 65 72 65 20 69 73 20 6e 6f 20 62 61 74 63 68 20 39", //       "there is no batch 9"
];

/// A PUT in batch 9, sequence 308.
pub const PUT_IN_NO_BATCH: &[&str] = &[
    "46 00 00 00 34 00 00 00 00", // 'F', message of 52 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "e1 14 7f 72 60 c1 c8 87 40 68 7a fb 69 9d 42 14 be 3c 6a 2d", //     computed by Python's hmac
    "3a 16",                      // commandBytes
    "0a 0b",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 b4 02",                   //     sequence 308
    "38 04",                      //     messageType PUT
    "70 09",                      //     batchID 9
    "12 07",                      //   body
    "0a 05",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
];

/// What the drive says about it before it closes the connection.
pub const PUT_IN_NO_BATCH_FAREWELL: &[&str] = &[
    "46 00 00 00 3c 00 00 00 00", // 'F', message of 60 bytes, value of 0
    "20 03",                      // authType UNSOLICITEDSTATUS
    "3a 38",                      // commandBytes
    "0a 04",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "1a 30",                      //   status
    "08 15",                      //     code INVALID_BATCH
    "12 2c",                      //     statusMessage, 44 bytes
    "70 61 72 74 20 6f 66 20 61 20 62 61 74 63 68 20 72 65 66 75 73 65 64 3a 20 74 68 65 72 65 20 69 73 20 6e 6f 20 62 61 74 63 68 20 39", //       "part of a batch refused: there is no batch 9"
];
