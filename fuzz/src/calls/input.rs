//! The bytes that libFuzzer gives, one after the other.

pub struct Input<'i>(&'i [u8]);

impl<'i> Input<'i> {
    pub fn new(bytes: &'i [u8]) -> Self {
        Input(bytes)
    }

    pub fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next one, or 0 where there is none.
    pub fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    pub fn bytes(&mut self, count: usize) -> &'i [u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// A size: small ones, and those around the driver's borders.
    pub fn size(&mut self) -> usize {
        const BORDERS: [usize; 8] =
            [4 << 10, 12 << 10, 16 << 10, 48 << 10, 66 << 10, 128 << 10, 256 << 10, 300 << 10];
        let byte = usize::from(self.byte());
        match byte {
            0..192 => byte,
            // 4 before and 3 behind each.
            _ => BORDERS[(byte - 192) / 8] + (byte % 8) - 4,
        }
    }
}
