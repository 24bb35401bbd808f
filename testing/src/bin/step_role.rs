//! What the tests of the single-stepper step through: `count` works a little and makes a system call, `read` waits for its input.
#[cfg(target_arch = "x86_64")]
fn main() {
    use std::hint::black_box;
    use std::io::Read as _;
    let part = std::env::args().nth(1).unwrap_or_default();
    let marks = strait_testing::step::Marks::new();
    match part.as_str() {
        "count" => {
            marks.begin();
            let mut sum = 0_u64;
            for n in 0..100 {
                sum = black_box(sum + n);
            }
            let _ = std::os::unix::process::parent_id();
            marks.end();
        }
        "read" => {
            marks.begin();
            let read = std::io::stdin().read(&mut [0]);
            marks.end();
            assert!(read.is_ok_and(|len| len == 1));
        }
        _ => panic!("no such part: {part}"),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {}
