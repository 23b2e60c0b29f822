//! Text of bounded length.

/// Cuts a text after at most `max` bytes, between two characters.
pub(crate) fn shorten(text: &mut String, max: usize) {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_stay_whole() {
        for (max, expected) in [(0, ""), (1, "a"), (2, "a"), (3, "a\u{e4}"), (4, "a\u{e4}b"), (9, "a\u{e4}b")]
        {
            let mut text = "a\u{e4}b".to_owned();
            shorten(&mut text, max);
            assert_eq!(text, expected);
        }
    }
}
