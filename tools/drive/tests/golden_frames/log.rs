//! GETLOG.

/// A GETLOG of capacities and temperatures, sequence 8.
pub const GET_LOG: &[&str] = &[
    "46 00 00 00 30 00 00 00 00", // 'F', message of 48 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "e9 71 0f 5e 41 da 9a cd 45 db 41 01 b5 f5 57 6d 26 33 78 d9", //     computed by Python's hmac
    "3a 12",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 08",                      //     sequence 8
    "38 18",                      //     messageType GETLOG
    "12 06",                      //   body
    "32 04",                      //     getLog
    "08 02",                      //       types CAPACITIES
    "08 01",                      //       types TEMPERATURES
];

/// Its answer: 1 GiB, empty, and no thermometer.
pub const GET_LOG_RESPONSE: &[&str] = &[
    "46 00 00 00 3f 00 00 00 00", // 'F', message of 63 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "6d 54 81 f9 af ff e2 d9 b8 ad 4e 41 29 f2 83 8c f0 ee 98 65", //     computed by Python's hmac
    "3a 21",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 08",                      //     ackSequence 8
    "38 17",                      //     messageType GETLOG_RESPONSE
    "12 13",                      //   body
    "32 11",                      //     getLog
    "08 02",                      //       types CAPACITIES
    "08 01",                      //       types TEMPERATURES
    "22 0b",                      //       capacity
    "20 80 80 80 80 04",          //         nominalCapacityInBytes 1 GiB
    "2d 00 00 00 00",             //         portionFull 0.0
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A GETLOG of a device log that there is not, sequence 9.
pub const GET_DEVICE_LOG: &[&str] = &[
    "46 00 00 00 38 00 00 00 00", // 'F', message of 56 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "4a 79 72 86 53 96 89 88 18 8c 62 67 37 b6 b7 4c 79 8c 6a 20", //     computed by Python's hmac
    "3a 1a",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 09",                      //     sequence 9
    "38 18",                      //     messageType GETLOG
    "12 0e",                      //   body
    "32 0c",                      //     getLog
    "08 07",                      //       types DEVICE
    "4a 08",                      //       device
    "0a 06",                      //         name, 6 bytes
    "63 6f 6d 2e 57 44",          //           "com.WD"
];

/// Its answer.
pub const GET_DEVICE_LOG_RESPONSE: &[&str] = &[
    "46 00 00 00 3e 00 00 00 00", // 'F', message of 62 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "8a 60 79 84 2b 3b 99 05 18 6a f4 40 3a ed 4c 94 a3 b3 e1 1b", //     computed by Python's hmac
    "3a 20",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 09",                      //     ackSequence 9
    "38 17",                      //     messageType GETLOG_RESPONSE
    "1a 16",                      //   status
    "08 07",                      //     code NOT_FOUND
    "12 12",                      //     statusMessage, 18 bytes
    "6e 6f 20 73 75 63 68 20 64 65 76 69 63 65 20 6c 6f 67", //       "no such device log"
];
