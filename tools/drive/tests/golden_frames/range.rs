//! GETKEYRANGE, after the PUTs of `key` and of `kez`.

/// A PUT of an empty value, sequence 320.
pub const PUT_ANOTHER: &[&str] = &[
    "46 00 00 00 32 00 00 00 00", // 'F', message of 50 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "db 0b 69 9b 62 5a d8 56 1c 70 0c 0b 2e 3e 41 8e 33 fd 36 6c", //     computed by Python's hmac
    "3a 14",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 c0 02",                   //     sequence 320
    "38 04",                      //     messageType PUT
    "12 07",                      //   body
    "0a 05",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 7a",                   //         "kez"
];

/// Its answer.
pub const PUT_ANOTHER_RESPONSE: &[&str] = &[
    "46 00 00 00 2f 00 00 00 00", // 'F', message of 47 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "b6 c7 bc 74 7b b0 d9 36 28 9b fd e1 3e e8 35 e3 0b 78 21 31", //     computed by Python's hmac
    "3a 11",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 c0 02",                   //     ackSequence 320
    "38 03",                      //     messageType PUT_RESPONSE
    "12 02",                      //   body
    "0a 00",                      //     keyValue
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A GETKEYRANGE from `key` to `l`, backwards, sequence 321.
pub const GET_KEY_RANGE: &[&str] = &[
    "46 00 00 00 3e 00 00 00 00", // 'F', message of 62 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "e0 e3 6a a1 80 84 a2 13 f2 80 69 a2 67 29 8b 53 b4 e4 7c 56", //     computed by Python's hmac
    "3a 20",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 c1 02",                   //     sequence 321
    "38 0c",                      //     messageType GETKEYRANGE
    "12 13",                      //   body
    "12 11",                      //     range
    "0a 03",                      //       startKey, 3 bytes
    "6b 65 79",                   //         "key"
    "12 01",                      //       endKey, 1 bytes
    "6c",                         //         "l"
    "18 01",                      //       startKeyInclusive true
    "20 00",                      //       endKeyInclusive false
    "28 a0 06",                   //       maxReturned 800
    "30 01",                      //       reverse true
];

/// Its answer: both keys.
pub const GET_KEY_RANGE_RESPONSE: &[&str] = &[
    "46 00 00 00 39 00 00 00 00", // 'F', message of 57 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "50 31 37 5c eb cc b4 94 f8 9a f0 28 1b 5d 3b a1 a9 e1 cb 5f", //     computed by Python's hmac
    "3a 1b",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 c1 02",                   //     ackSequence 321
    "38 0b",                      //     messageType GETKEYRANGE_RESPONSE
    "12 0c",                      //   body
    "12 0a",                      //     range
    "42 03",                      //       keys, 3 bytes
    "6b 65 7a",                   //         "kez"
    "42 03",                      //       keys, 3 bytes
    "6b 65 79",                   //         "key"
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A GETKEYRANGE between the keys, sequence 322.
pub const GET_KEY_RANGE_WITHOUT_KEYS: &[&str] = &[
    "46 00 00 00 3d 00 00 00 00", // 'F', message of 61 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "85 6d cc 83 c6 d9 06 84 06 e3 92 03 46 6a 3a 2a fe 4e b6 b0", //     computed by Python's hmac
    "3a 1f",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 c2 02",                   //     sequence 322
    "38 0c",                      //     messageType GETKEYRANGE
    "12 12",                      //   body
    "12 10",                      //     range
    "0a 03",                      //       startKey, 3 bytes
    "6b 65 79",                   //         "key"
    "12 03",                      //       endKey, 3 bytes
    "6b 65 7a",                   //         "kez"
    "18 00",                      //       startKeyInclusive false
    "20 00",                      //       endKeyInclusive false
    "28 01",                      //       maxReturned 1
];

/// Its answer has no range.
pub const GET_KEY_RANGE_WITHOUT_KEYS_RESPONSE: &[&str] = &[
    "46 00 00 00 2b 00 00 00 00", // 'F', message of 43 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "87 19 55 5e 52 7e 46 fa 2d bd 67 68 82 98 ac 8b 9a 85 ab 8e", //     computed by Python's hmac
    "3a 0d",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 c2 02",                   //     ackSequence 322
    "38 0b",                      //     messageType GETKEYRANGE_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A GETKEYRANGE with a maximum above the limit, sequence 323.
pub const GET_KEY_RANGE_OF_TOO_MANY: &[&str] = &[
    "46 00 00 00 3e 00 00 00 00", // 'F', message of 62 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "3d 30 2d 5f 17 ab b2 da 35 88 3e b3 b1 a0 b8 a1 fd cf 1e aa", //     computed by Python's hmac
    "3a 20",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 c3 02",                   //     sequence 323
    "38 0c",                      //     messageType GETKEYRANGE
    "12 13",                      //   body
    "12 11",                      //     range
    "0a 03",                      //       startKey, 3 bytes
    "6b 65 79",                   //         "key"
    "12 03",                      //       endKey, 3 bytes
    "6b 65 7a",                   //         "kez"
    "18 01",                      //       startKeyInclusive true
    "20 01",                      //       endKeyInclusive true
    "28 a1 06",                   //       maxReturned 801
];

/// Its answer.
pub const GET_KEY_RANGE_OF_TOO_MANY_RESPONSE: &[&str] = &[
    "46 00 00 00 4d 00 00 00 00", // 'F', message of 77 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "b9 4a 57 87 e1 94 43 fe 6b 22 6b de bf 38 9c fb c6 34 b0 cd", //     computed by Python's hmac
    "3a 2f",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 c3 02",                   //     ackSequence 323
    "38 0b",                      //     messageType GETKEYRANGE_RESPONSE
    "1a 24",                      //   status
    "08 10",                      //     code INVALID_REQUEST
    "12 20",                      //     statusMessage, 32 bytes
    "38 30 31 20 6b 65 79 73 20 65 78 63 65 65 64 20 74 68 65 20 6c 69 6d 69 74 20 6f 66 20 38 30 30", //       "801 keys exceed the limit of 800"
];
