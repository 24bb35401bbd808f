//! The victims of `crash`: each does one operation between two marks. The first word says of which channel; what the others say is the
//! channel's own, in `strait_testing::crash`.

#[cfg(target_arch = "x86_64")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    strait_testing::crash::table::play(&words);
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {}
