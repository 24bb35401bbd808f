//! The honest ends of the liar's tests, and the liar at full speed; see `strait_testing::hostile`.
//!
//! `one-by-one PAGE REGION ...` · `end PAGE NAME SEED WORLD restartable|pipe` · `liar PAGE NAME SEED WORLD`

#[cfg(target_arch = "x86_64")]
fn main() {
    use strait_testing::hostile::role;
    use strait_testing::hostile::world::places;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // SAFETY: the call takes two numbers. A failed harness leaves nothing behind.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    match words[..] {
        ["one-by-one", page, ..] => role::one_by_one(page, &arguments[2..]),
        ["end", page, name, seed, world, kind] => {
            let world: usize = world.parse().expect("an index");
            role::end(page, name, seed.parse().expect("a seed"), &places()[world], kind == "restartable");
        }
        ["liar", page, name, seed, world] => {
            let world: usize = world.parse().expect("an index");
            role::liar(page, name, seed.parse().expect("a seed"), &places()[world]);
        }
        _ => panic!("no such part: {words:?}"),
    }
}

#[cfg(target_arch = "x86_64")]
#[global_allocator]
static ALLOCATOR: strait_testing::hostile::role::Limited = strait_testing::hostile::role::Limited;

#[cfg(not(target_arch = "x86_64"))]
fn main() {}
