//! What is shown of channels that this very process made, and of rows that were made up.

use super::live::picture;
use super::sample::{Row, Sample, Sampler, What};
use strait::channel::{mpmc, spsc};
use strait::sync::{self, Mutex};

fn name(word: &str) -> String {
    format!("t-top-{word}-{}", std::process::id())
}

fn row(name: &str, messages: f64) -> Row {
    Row {
        name: name.into(),
        kind: "corrupt".into(),
        what: What::Corrupt("open it: it lies".into()),
        messages: Some(messages),
        bytes: None,
        drops: None,
        fill: None,
        lag: None,
        sleepers: 0,
        alive: 0,
        dead: 0,
        cpu: None,
        cpu_of: std::collections::HashMap::new(),
    }
}

fn sample(names: &[(&str, f64)]) -> Sample {
    Sample { rows: names.iter().map(|&(name, messages)| row(name, messages)).collect(), hidden: 2 }
}

/// Rates, fill, lag, users and processor time of real channels and locks.
#[test]
fn real_ones_are_sampled() {
    let (two, jobs, lock) = (name("two"), name("jobs"), name("lock"));
    let mut tx = spsc::Sender::<[u64; 16]>::create(&two, &spsc::Options::new().capacity_bytes(4096)).expect("made");
    let _rx = spsc::Receiver::<[u64; 16]>::open(&two, &spsc::Options::new()).expect("there");
    let mut producer = mpmc::Producer::<u64>::create(&jobs, &mpmc::Options::new().capacity(8)).expect("made");
    let mut mutex = Mutex::create(&lock, &1_u64, &sync::Options::new()).expect("made");
    let held = mutex.lock().expect("free");
    let mut sampler = Sampler::new(&format!("t-top-*-{}", std::process::id()));
    sampler.look().expect("readable");
    for number in 0..8 {
        tx.send(&[number; 16]).expect("room");
        producer.push(&number).expect("room");
    }
    let sample = sampler.look().expect("readable");
    let row = |name: &str| sample.rows.iter().find(|row| row.name == name).expect("there");
    let (a, b, c) = (row(&two), row(&jobs), row(&lock));
    assert!(
        a.messages.is_some_and(|it| it > 0.0)
            && a.bytes.zip(a.messages).is_some_and(|(b, m)| (b / m - 128.0).abs() < 0.1)
    );
    assert_eq!((a.fill, a.lag, a.alive, a.dead), (Some(0.25), Some(8), 2, 0));
    assert_eq!((b.fill, b.lag, b.alive), (Some(1.0), Some(8), 1));
    assert!(a.cpu.is_some() && a.drops.is_none() && c.messages.is_none());
    let shown = picture::of(sample, "n", 80, 24);
    assert!(shown[0].starts_with("strait top  2 channels, 1 lock  "), "{shown:#?}");
    assert!(shown[3].contains("mutex") && shown[3].contains(&format!("held by {}", std::process::id())), "{shown:#?}");
    drop(held);
}

/// Every line fits, the picture is as high as the terminal, and a small terminal is told what is needed.
#[test]
fn pictures_fit() {
    for (width, height) in [(71, 6), (80, 24), (100, 30), (132, 50), (160, 45), (300, 100)] {
        let names: Vec<String> =
            (0..60).map(|n| format!("a-rather-long-name-of-a-channel-{n}-{}", "x".repeat(n))).collect();
        let rows: Vec<(&str, f64)> = names.iter().map(|it| (it.as_str(), 1e9)).collect();
        for keys in ["", "h", "\r", "/name", "\x1b[F"] {
            let shown = picture::of(sample(&rows), keys, width, height);
            assert_eq!(shown.len(), height, "{keys:?}");
            let widest = shown.iter().map(|it| it.replace("\x1b[7m", "").replace("\x1b[0m", "").chars().count()).max();
            assert!(widest.is_some_and(|it| it <= width), "{shown:#?}");
        }
    }
    let shown = picture::of(sample(&[]), "", 40, 10);
    assert_eq!(shown, ["the terminal is too small", "strait top needs 71x6, this is 40x10; q "]);
}

/// Rows are sorted by any column and filtered by a part of the name; the selection stays on its row.
#[test]
fn rows_are_sorted_and_filtered() {
    let names = |keys: &str| {
        let shown = picture::of(sample(&[("bb", 1.0), ("Ab", 3.0), ("cc", 2.0)]), keys, 80, 24);
        shown[2..]
            .iter()
            .take_while(|it| it.contains("corrupt"))
            .map(|it| it.replace("\x1b[7m", ">").split_whitespace().next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(""), [">Ab", "cc", "bb"]);
    assert_eq!(names("r"), [">bb", "cc", "Ab"]);
    assert_eq!(names("n"), [">Ab", "bb", "cc"]);
    assert_eq!(names("/a\r"), [">Ab"]);
    assert_eq!(names("/a\x1b"), [">Ab", "cc", "bb"]);
    assert_eq!(names("j"), ["Ab", ">cc", "bb"]);
    assert_eq!(names("jn"), ["Ab", "bb", ">cc"]);
    assert_eq!(names("\x1b[F"), ["Ab", "cc", ">bb"]);
}
