//! GETNEXT and GETPREVIOUS, after the PUT of `key`.

/// A GETNEXT after `ke`, sequence 310.
pub const GET_NEXT: &[&str] = &[
    "46 00 00 00 31 00 00 00 00", // 'F', message of 49 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "9b de 4e 68 14 d6 60 b1 3b 96 f0 cb e3 5c d5 cd 12 bb 48 6b", //     computed by Python's hmac
    "3a 13",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 b6 02",                   //     sequence 310
    "38 08",                      //     messageType GETNEXT
    "12 06",                      //   body
    "0a 04",                      //     keyValue
    "1a 02",                      //       key, 2 bytes
    "6b 65",                      //         "ke"
];

/// Its answer: the entry `key`, followed by its value.
pub const GET_NEXT_RESPONSE: &[&str] = &[
    "46 00 00 00 41 00 00 00 05", // 'F', message of 65 bytes, value of 5
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "dd 1f 02 5b cf 4b c3 ca 72 f5 05 c7 c7 d0 dd ef a5 37 57 2f", //     computed by Python's hmac
    "3a 23",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 b6 02",                   //     ackSequence 310
    "38 07",                      //     messageType GETNEXT_RESPONSE
    "12 14",                      //   body
    "0a 12",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
    "22 03",                      //       dbVersion, 3 bytes
    "6f 6e 65",                   //         "one"
    "2a 04",                      //       tag, 4 bytes
    "74 61 67 21",                //         "tag!"
    "30 01",                      //       algorithm SHA1
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
    "76 61 6c 75 65",             // value "value"
];

/// A GETNEXT after the last key, sequence 311.
pub const GET_NEXT_AT_THE_END: &[&str] = &[
    "46 00 00 00 32 00 00 00 00", // 'F', message of 50 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "09 2a 6a ea e8 78 37 e8 25 9c 0a a5 69 50 e7 37 07 35 25 0f", //     computed by Python's hmac
    "3a 14",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 b7 02",                   //     sequence 311
    "38 08",                      //     messageType GETNEXT
    "12 07",                      //   body
    "0a 05",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
];

/// Its answer: there is none.
pub const GET_NEXT_AT_THE_END_RESPONSE: &[&str] = &[
    "46 00 00 00 38 00 00 00 00", // 'F', message of 56 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "f0 6e 4b 26 60 f1 41 31 75 fd 49 5b c7 61 6a 2a 49 3a b1 c6", //     computed by Python's hmac
    "3a 1a",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 b7 02",                   //     ackSequence 311
    "38 07",                      //     messageType GETNEXT_RESPONSE
    "1a 0f",                      //   status
    "08 07",                      //     code NOT_FOUND
    "12 0b",                      //     statusMessage, 11 bytes
    "6e 6f 20 73 75 63 68 20 6b 65 79", //       "no such key"
];

/// A GETPREVIOUS before `kez`, without the value, sequence 312.
pub const GET_PREVIOUS: &[&str] = &[
    "46 00 00 00 34 00 00 00 00", // 'F', message of 52 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "4a 0f d1 87 a7 85 63 61 4b 5c 9c f7 eb 4c 59 fd cf c0 a5 68", //     computed by Python's hmac
    "3a 16",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 b8 02",                   //     sequence 312
    "38 0a",                      //     messageType GETPREVIOUS
    "12 09",                      //   body
    "0a 07",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 7a",                   //         "kez"
    "38 01",                      //       metadataOnly true
];

/// Its answer: the entry `key`.
pub const GET_PREVIOUS_RESPONSE: &[&str] = &[
    "46 00 00 00 41 00 00 00 00", // 'F', message of 65 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "29 9a 06 ea e3 82 11 37 81 2a 17 d3 61 52 1f 0f 4f 66 5c 62", //     computed by Python's hmac
    "3a 23",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 b8 02",                   //     ackSequence 312
    "38 09",                      //     messageType GETPREVIOUS_RESPONSE
    "12 14",                      //   body
    "0a 12",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
    "22 03",                      //       dbVersion, 3 bytes
    "6f 6e 65",                   //         "one"
    "2a 04",                      //       tag, 4 bytes
    "74 61 67 21",                //         "tag!"
    "30 01",                      //       algorithm SHA1
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A GETPREVIOUS before the first key, sequence 313.
pub const GET_PREVIOUS_AT_THE_START: &[&str] = &[
    "46 00 00 00 32 00 00 00 00", // 'F', message of 50 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "a7 11 36 f2 b8 c0 36 63 8f b1 b3 31 d8 04 b4 48 fe 31 0d c4", //     computed by Python's hmac
    "3a 14",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 b9 02",                   //     sequence 313
    "38 0a",                      //     messageType GETPREVIOUS
    "12 07",                      //   body
    "0a 05",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
];

/// Its answer: there is none.
pub const GET_PREVIOUS_AT_THE_START_RESPONSE: &[&str] = &[
    "46 00 00 00 38 00 00 00 00", // 'F', message of 56 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "d4 81 57 69 2f 28 ed 5f 93 72 da 1b ad 16 4e 6f d0 1f c8 95", //     computed by Python's hmac
    "3a 1a",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 b9 02",                   //     ackSequence 313
    "38 09",                      //     messageType GETPREVIOUS_RESPONSE
    "1a 0f",                      //   status
    "08 07",                      //     code NOT_FOUND
    "12 0b",                      //     statusMessage, 11 bytes
    "6e 6f 20 73 75 63 68 20 6b 65 79", //       "no such key"
];
