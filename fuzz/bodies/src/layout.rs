//! Parsers of what a peer wrote, without a channel around them.
//!
//! | first byte, modulo 4 | parser |
//! |---:|---|
//! | 0 | a record's header in a ring (`ring/record.rs`) |
//! | 1 | the header of a part of a pool's result (`pool/part.rs`) |
//! | 2 | a block's result from a worker of `strait sum` (`sum/wire.rs`) |
//! | 3 | a partial sum (`strait-sum`) |
//!
//! The header of a region and the words of its sides are read through a region only: see [`mod@crate::attach`].
//!
//! Claim: what is accepted is in bounds, and is the same after the way back into bytes; what is merged and finished never panics.

use strait_sum::Partial;

use crate::part;
use crate::ring::record::{self, MARGIN_WORDS, Shape, WORD_BYTES};
use crate::script::Script;
use crate::wire;

/// Gives the input to the parser that its first byte chooses.
pub fn layout(input: &[u8]) {
    let mut script = Script::new(input);
    match script.byte() % 4 {
        0 => records(&mut script),
        1 => part(script.rest()),
        2 => result(script.rest()),
        _ => partials(&mut script),
    }
}

/// A shape, then positions and headers to read in it.
fn records(script: &mut Script<'_>) {
    let Some(shape) = Shape::new(script.u64(), script.u32(), script.u32()) else { return };
    while !script.is_over() {
        let (position, header) = (script.u32(), script.u64());
        let Ok(decoded) = shape.decode(position, header) else { continue };
        let Some(record) = decoded else {
            assert_eq!(header, 0, "only zero is nothing");
            continue;
        };
        let place = shape.place(position) as usize;
        assert_eq!(record.payload, (place + 1) * WORD_BYTES);
        assert!(record.words > 0, "a chain of records moves on");
        if record.items == 0 {
            assert_eq!(place + record.words as usize, shape.capacity_words() as usize, "padding ends with the ring");
            assert!(record.words <= shape.capacity_words() / 2, "padding is of the second half");
            assert_eq!(header, record::padding_header(record.words, record.number));
            continue;
        }
        assert!(record.payload + record.len_bytes as usize <= shape.ring_bytes(), "the payload is in the ring");
        assert!(place + record.words as usize <= (shape.capacity_words() + MARGIN_WORDS) as usize);
        assert!(record.len_bytes <= shape.payload_max_bytes());
        assert!(record.items * shape.item_len(&record) <= record.len_bytes, "all of its messages are in it");
        assert_eq!(header & !(1 << 62), record::message_header(record.len_bytes, record.number));
        let later = record::with_number(header, record.number + 1);
        assert_eq!(later, record::message_header(record.len_bytes, (record.number + 1) & record::NUMBER_MASK));
        let near = script.u64();
        assert_eq!(record::widen(near, record.number) & record::NUMBER_MASK, record.number);
    }
}

fn part(message: &[u8]) {
    if let Some(header) = part::Header::of(message) {
        assert_eq!(header.to_bytes(), message[..part::HEADER_BYTES]);
    }
}

fn result(message: &[u8]) {
    let Some(result) = wire::decode(message) else { return };
    assert!(result.answers_at <= message.len(), "the answers are in the message");
    assert!(result.faults.len() <= wire::FAULTS_TOLD);
    assert!(result.faults.len() as u64 <= result.fault_count);
    for told in &result.faults {
        assert!(told.line <= result.lines, "a fault is on one of the lines");
        let is_plain = |text: &str| !text.chars().any(char::is_control);
        assert!(told.token.as_ref().is_none_or(|(column, text)| *column > 0 && is_plain(text)));
    }
    let mut line = result.head;
    line.merge(&result.total);
    if let Some(tail) = &result.tail {
        line.merge(tail);
    }
    use_it(&line);
}

/// Several, merged in turn.
fn partials(script: &mut Script<'_>) {
    let mut line = Partial::new();
    while !script.is_over() {
        if let Some(partial) = Partial::from_bytes(&script.array()) {
            let back = Partial::from_bytes(&partial.to_bytes()).expect("what was accepted is accepted again");
            assert_eq!(back.to_bytes(), partial.to_bytes(), "the same after the way back");
            line.merge(&partial);
            use_it(&partial);
        }
    }
    use_it(&line);
}

/// Finished and shown, in a form that a terminal can bear, and sent on.
fn use_it(partial: &Partial) {
    match partial.finish() {
        Ok(sum) => {
            let mut line = Vec::new();
            sum.write_line(&mut line);
            assert!(line.len() <= 41, "a sum is at most 40 bytes: {sum}");
            assert_eq!(line, format!("{sum}\n").as_bytes());
        }
        Err(fault) => assert!(!fault.to_string().chars().any(char::is_control), "{fault:?}"),
    }
    assert!(Partial::from_bytes(&partial.to_bytes()).is_some(), "a merged part travels");
}
