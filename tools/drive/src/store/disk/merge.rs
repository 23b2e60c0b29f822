//! The keys of several layers as if they were one.

use std::iter::Peekable;

use bytes::Bytes;

/// A layer: keys in order, and whether there is an entry or whether it was
/// removed.
pub(super) type Layer<'a, E> = Box<dyn Iterator<Item = Result<(Bytes, bool), E>> + 'a>;

/// The keys of all entries in order (backwards with `reverse`, as in each
/// layer). The first layer that has a key decides whether there is an entry.
pub(super) fn merge<'a, E: 'a>(
    layers: Vec<Layer<'a, E>>,
    reverse: bool,
) -> impl Iterator<Item = Result<Bytes, E>> + 'a {
    let mut layers: Vec<Peekable<Layer<'a, E>>> = layers.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        loop {
            let mut next: Option<(&Bytes, bool)> = None;
            let mut failed = None;
            for (index, layer) in layers.iter_mut().enumerate() {
                // A later layer wins only if it is strictly first.
                let first = |key: &Bytes| {
                    next.is_none_or(|(least, _)| if reverse { key > least } else { key < least })
                };
                match layer.peek() {
                    Some(Ok((key, present))) if first(key) => next = Some((key, *present)),
                    Some(Err(_)) => failed = Some(index),
                    _ => {}
                }
            }
            if let Some(index) = failed {
                return layers[index].next().and_then(Result::err).map(Err);
            }
            let (key, present) = next.map(|(key, present)| (key.clone(), present))?;
            for layer in &mut layers {
                layer.next_if(|item| matches!(item, Ok((other, _)) if *other == key));
            }
            if present {
                return Some(Ok(key));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer<'a>(keys: &[(&'static str, bool)], reverse: bool) -> Layer<'a, ()> {
        let mut items: Vec<_> = keys.iter().map(|&(key, present)| Ok((Bytes::from(key), present))).collect();
        if reverse {
            items.reverse();
        }
        Box::new(items.into_iter())
    }

    #[test]
    fn upper_layers_win() {
        let all = |reverse| {
            let layers = vec![
                layer(&[("b", false), ("c", true), ("e", true)], reverse),
                layer(&[("a", true), ("c", false), ("d", false)], reverse),
                layer(&[("a", true), ("b", true), ("d", true), ("f", true)], reverse),
            ];
            let keys: Result<Vec<Bytes>, ()> = merge(layers, reverse).collect();
            String::from_utf8(keys.unwrap().concat()).unwrap()
        };
        assert_eq!(all(false), "acef");
        assert_eq!(all(true), "feca");
    }

    #[test]
    fn errors_come_through() {
        let layers: Vec<Layer<'_, u8>> = vec![
            Box::new([Ok((Bytes::from("a"), true))].into_iter()),
            Box::new([Ok((Bytes::from("a"), true)), Err(5)].into_iter()),
        ];
        let keys: Vec<_> = merge(layers, false).collect();
        assert_eq!(keys, [Ok(Bytes::from("a")), Err(5)]);
    }
}
