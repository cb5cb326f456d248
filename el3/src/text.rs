//! Plain text for people, on a console. Not by `core::fmt`, which would be a tenth of the image.

/// Writes text, byte by byte.
pub struct Text<'a>(pub &'a mut dyn FnMut(u8));

impl Text<'_> {
    /// A text as it is; lines end as a terminal wants it.
    #[inline(never)]
    pub fn text(&mut self, text: &str) -> &mut Self {
        for byte in text.bytes() {
            if byte == b'\n' {
                (self.0)(b'\r');
            }
            (self.0)(byte);
        }
        self
    }

    /// A number with all its 16 hexadecimal digits.
    #[inline(never)]
    pub fn hex(&mut self, number: u64) -> &mut Self {
        self.text("0x");
        for shift in (0..64).step_by(4).rev() {
            let digit = (number >> shift & 0xf) as u8;
            (self.0)(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
        }
        self
    }

    /// A decimal number.
    #[inline(never)]
    pub fn decimal(&mut self, number: u64) -> &mut Self {
        if number >= 10 {
            self.decimal(number / 10);
        }
        (self.0)(b'0' + (number % 10) as u8);
        self
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    #[test]
    fn numbers_and_lines() {
        let mut seen = Vec::new();
        Text(&mut |byte| seen.push(byte)).text("a ").decimal(0).text(" ").decimal(65536).text("\n").hex(0xab_c0);
        assert_eq!(seen, b"a 0 65536\r\n0x000000000000abc0");
        seen.clear();
        Text(&mut |byte| seen.push(byte)).decimal(u64::MAX).hex(u64::MAX);
        assert_eq!(seen, b"184467440737095516150xffffffffffffffff");
    }
}
