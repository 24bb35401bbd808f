//! What is in another IPC or mount namespace is listed as what it is, and nothing here is removed for it, nor it for something here.

mod support;

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use strait::channel::spsc;
use strait::region::{Place, Region};
use strait::transport::posix_mq;
use support::{Directory, Outcome, run};

fn strait(args: &[&str]) -> Outcome {
    run(Command::new(env!("CARGO_BIN_EXE_strait")).args(args), "")
}

fn listed(pattern: &str) -> Vec<Value> {
    let said = strait(&["ls", pattern, "--json"]);
    let document: Value = serde_json::from_slice(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    document["objects"].as_array().expect("a list").clone()
}

/// A shell in namespaces of its own, which stays until it is dropped; `None`: we may not, and that was said.
struct Other(Child);

impl Other {
    fn start(how: &[&str], script: &str) -> Option<Self> {
        let mut command = Command::new("unshare");
        command.args(how).args(["sh", "-c", &format!("{script} && echo ready && exec cat")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().inspect_err(|error| eprintln!("skipped: unshare: {error}")).ok()?;
        support::watch_over(&child);
        let mut other = Self(child);
        let mut line = String::new();
        BufReader::new(other.0.stdout.take().expect("a pipe")).read_line(&mut line).expect("text");
        if line != "ready\n" {
            eprintln!("skipped: unshare {how:?} is refused");
            return None;
        }
        Some(other)
    }

    /// Of the objects listed, the one that it has.
    fn its<'a>(&self, objects: &'a [Value]) -> &'a Value {
        let has =
            |it: &&Value| it["holders"].as_array().is_some_and(|all| all.iter().any(|it| it["pid"] == self.0.id()));
        objects.iter().find(has).unwrap_or_else(|| panic!("{objects:?}"))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Takes a channel's name away, however the test ends.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        let _ = Region::remove(Place::posix(&self.0));
    }
}

/// A channel of ours, and a file of its very name in another mount namespace.
#[test]
fn another_mount_namespace() {
    let name = format!("cli-elsewhere-{}", std::process::id());
    let options = spsc::Options::new().restartable(true);
    let Some(other) =
        Other::start(&["--mount"], &format!("mount -t tmpfs none /dev/shm && exec 3<>/dev/shm/strait.{name}"))
    else {
        return;
    };
    let _removed = Named(name.clone());
    let mut tx = spsc::Sender::<u64>::create(&name, &options).expect("create");
    tx.send(&7).expect("room");
    let (pattern, path) = (format!("*{name}*"), format!("/dev/shm/strait.{name}"));
    let objects = listed(&pattern);
    assert_eq!(objects.len(), 2, "{objects:?}");
    let theirs = other.its(&objects);
    assert_eq!(
        (&theirs["is_elsewhere"], &theirs["path"], &theirs["channel"]),
        (&true.into(), &Value::Null, &Value::Null)
    );
    let ours = listed(&name);
    assert_eq!(
        (ours.len(), &ours[0]["is_elsewhere"], &ours[0]["what"]),
        (1, &false.into(), &"spsc".into()),
        "{ours:?}"
    );
    let table = strait(&["ls", &pattern]);
    assert_eq!(table.text().matches("(other namespace)").count(), 1, "{}", table.text());

    let id = theirs["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("posix-shm:inode:"), "{id}");
    let shown = strait(&["show", &id]);
    assert!(shown.text().contains("another mount namespace"), "{}", shown.text());
    drop(tx);
    for force in [&[][..], &["--force"]] {
        let said = strait(&[&["rm", &id], force].concat());
        assert!(said.code == 1 && said.err.contains("leads elsewhere here"), "{}", said.err);
    }
    assert_eq!(strait(&["gc", "--yes", "--foreign", "--older-than", "0s", &pattern]).code, 0);
    assert!(std::path::Path::new(&path).exists(), "ours is restartable, and stays");
    assert_eq!(strait(&["rm", &name]).code, 0);
    assert!(!std::path::Path::new(&path).exists());
    assert_eq!(other.its(&listed(&pattern))["id"], id.as_str(), "and theirs is still there");
}

/// A POSIX queue of ours, and one of its name in another IPC namespace.
#[test]
fn another_ipc_namespace() {
    let (directory, name) = (Directory::new(), format!("cli-elsewhere-mq-{}", std::process::id()));
    let at = directory.path("queues");
    std::fs::create_dir(&at).expect("a directory");
    let script = format!("mount -t mqueue none {at} && exec 3<>{at}/{name}");
    let Some(other) = Other::start(&["--ipc", "--mount"], &script) else { return };
    let posix = format!("/{name}");
    posix_mq::create(&posix, &strait::transport::Options::new()).expect("create");
    let objects = listed(&format!("{posix}*"));
    assert_eq!(objects.len(), 2, "{objects:?}");
    let theirs = other.its(&objects);
    let ours = objects.iter().find(|it| it["is_elsewhere"] == false).expect("ours");
    assert!(theirs["is_elsewhere"] == true && theirs["ipc_namespace"].is_u64(), "{theirs}");
    assert!(ours["ipc_namespace"].is_u64() && ours["ipc_namespace"] != theirs["ipc_namespace"], "{ours}");
    let id = theirs["id"].as_str().expect("an id").to_owned();
    let shown = strait(&["show", &id]);
    assert!(shown.text().contains("not ours: go there by nsenter"), "{}", shown.text());
    let said = strait(&["rm", "--force", &id]);
    assert!(said.code == 1 && said.err.contains("in another IPC namespace"), "{}", said.err);
    // The other one makes no doubt about whom we mean, and is left alone.
    let said = strait(&["rm", &posix]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let left = listed(&format!("{posix}*"));
    assert_eq!((left.len(), &other.its(&left)["id"]), (1, &Value::from(id)));
}
