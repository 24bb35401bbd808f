//! What a word on the command line names: `feed`, `posix-mq:/jobs`, `tcp:localhost:9000`.
//!
//! | word | what |
//! |---|---|
//! | `NAME`, `strait:NAME` | a channel of strait's; the second where the name has a colon |
//! | `file:PATH` | the same, in a file |
//! | `posix-mq:/NAME` | a POSIX message queue |
//! | `sysv-msg:KEY`, `sysv-msg:id:N` | a System V message queue, by its key (decimal or `0x` hexadecimal) or its id |
//! | `fifo:PATH` | a FIFO |
//! | `unix:PATH`, `unix:@NAME` | a Unix stream socket, by path or abstract name; `unix-seqpacket:`, `unix-datagram:` likewise |
//! | `tcp:HOST:PORT`, `udp:HOST:PORT` | a port of the loopback; `tcp:PORT` |

use std::fmt;
use std::path::PathBuf;
use strait::region::Place;
use strait::transport::unix;

/// What is sent to or received from.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// As it was written, without what a terminal would act on.
    text: String,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Channel(Place),
    PosixMq(String),
    SysvMsg(Key),
    Fifo(PathBuf),
    UnixStream(unix::Address),
    UnixSeqpacket(unix::Address),
    UnixDatagram(unix::Address),
    Tcp(u16),
    Udp(u16),
}

/// How a System V queue is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Key(i32),
    Id(i32),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What `--help` says of it.
pub(super) const HELP: &str = "\
A channel, or another program's object:
  NAME, strait:NAME   a channel of strait's (spsc, mpmc), of bytes
  file:PATH           the same, in a file
  posix-mq:/NAME      a POSIX message queue
  sysv-msg:KEY        a System V queue, by its key: 1234, 0x4d2
  sysv-msg:id:N       the same, by its id
  fifo:PATH           a FIFO
  unix:PATH           a Unix stream socket; unix:@NAME an abstract one;
                      unix-seqpacket: and unix-datagram: likewise
  tcp:HOST:PORT       a TCP port of this machine; udp: likewise";

/// The same where only strait's channels will do.
pub(super) const CHANNEL_HELP: &str = "The name of a channel of strait's, of bytes, or file:PATH of one in a file";

/// The words before the colon.
const WORDS: &str = "strait, file, posix-mq, sysv-msg, fifo, unix, unix-seqpacket, unix-datagram, tcp, udp";

impl Address {
    /// # Errors
    /// A sentence that says what is wrong with the word.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let what = match text.split_once(':') {
            None | Some(("strait", _)) => {
                What::Channel(Place::posix(name(text.strip_prefix("strait:").unwrap_or(text))?))
            }
            Some(("file", path)) => What::Channel(Place::file(path_of(path)?)),
            Some(("posix-mq", name)) => What::PosixMq(queue(name)?),
            Some(("sysv-msg", key)) => What::SysvMsg(key_of(key)?),
            Some(("fifo", path)) => What::Fifo(path_of(path)?),
            Some(("unix", address)) => What::UnixStream(socket(address)?),
            Some(("unix-seqpacket", address)) => What::UnixSeqpacket(socket(address)?),
            Some(("unix-datagram", address)) => What::UnixDatagram(socket(address)?),
            Some(("tcp", port)) => What::Tcp(port_of(port)?),
            Some(("udp", port)) => What::Udp(port_of(port)?),
            Some((word, _)) => {
                let word = word.escape_debug();
                return Err(format!(
                    "'{word}' is no mechanism; those are {WORDS}; a name with a colon is written strait:NAME"
                ));
            }
        };
        let text = text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] });
        Ok(Self { text: text.collect(), what })
    }

    /// Whether it is one of strait's channels.
    pub(super) fn channel(&self) -> Option<&Place> {
        match &self.what {
            What::Channel(place) => Some(place),
            _ => None,
        }
    }

    /// Whether it carries bytes without boundaries.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.what, What::Fifo(_) | What::UnixStream(_) | What::Tcp(_))
    }

    /// Whether it is one end of a socket.
    pub(super) fn is_socket(&self) -> bool {
        self.is_connected() || matches!(self.what, What::UnixDatagram(_) | What::Udp(_))
    }

    /// Whether one side listens and the other connects.
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.what, What::UnixStream(_) | What::UnixSeqpacket(_) | What::Tcp(_))
    }
}

/// The longest name of a file, less `strait.`.
const NAME_BYTES_MAX: usize = 248;

fn name(name: &str) -> Result<&str, String> {
    match name {
        "" => Err("a channel's name has at least one character".to_owned()),
        "." | ".." => Err("it means a directory; a channel needs a name".to_owned()),
        _ if name.contains('/') => Err(format!("a channel's name has no slash; for a file write file:{name}")),
        _ if name.len() > NAME_BYTES_MAX => Err(format!("a channel's name has at most {NAME_BYTES_MAX} bytes")),
        _ => Ok(name),
    }
}

fn path_of(path: &str) -> Result<PathBuf, String> {
    if path.is_empty() { Err("the path is missing behind the colon".to_owned()) } else { Ok(PathBuf::from(path)) }
}

fn queue(name: &str) -> Result<String, String> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    if bare.is_empty() || bare.contains('/') || bare.len() > 254 {
        return Err("a POSIX queue's name is a slash and 1 to 254 bytes without another: posix-mq:/jobs".to_owned());
    }
    Ok(format!("/{bare}"))
}

fn key_of(text: &str) -> Result<Key, String> {
    let wrong =
        || "a System V queue is a key, decimal or hexadecimal, or an id: sysv-msg:0x5472, sysv-msg:id:3".to_owned();
    if let Some(id) = text.strip_prefix("id:") {
        return id.parse().ok().filter(|&id| id >= 0).map(Key::Id).ok_or_else(wrong);
    }
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    // A key has 32 bits, and tools print it without a sign.
    let key = match hex {
        Some(hex) => u32::from_str_radix(hex, 16).ok().map(|key| key as i32),
        None => text.parse::<i32>().ok().or_else(|| text.parse::<u32>().ok().map(|key| key as i32)),
    };
    match key {
        Some(0) => {
            Err("key 0 means a queue without a key (IPC_PRIVATE), which is found by its id: sysv-msg:id:3".to_owned())
        }
        Some(key) => Ok(Key::Key(key)),
        None => Err(wrong()),
    }
}

fn socket(text: &str) -> Result<unix::Address, String> {
    let (is_abstract, name) = match text.strip_prefix('@') {
        Some(name) => (true, name),
        None => (false, text),
    };
    if name.is_empty() || name.len() > 107 {
        return Err(format!("a socket's path or name has 1 to 107 bytes, this one {}", name.len()));
    }
    Ok(if is_abstract { unix::Address::Abstract(name.to_owned()) } else { unix::Address::Path(PathBuf::from(name)) })
}

fn port_of(text: &str) -> Result<u16, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("localhost", text));
    if !matches!(host, "localhost" | "127.0.0.1" | "") {
        let host = host.escape_debug();
        return Err(format!("'{host}' is not this machine: only localhost and 127.0.0.1 are reached; use socat or nc"));
    }
    let port = port.parse().ok().filter(|&port: &u16| port > 0);
    port.ok_or_else(|| "a port is a number from 1 to 65535: tcp:localhost:9000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &str) -> What {
        Address::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).what
    }

    #[test]
    fn words_are_understood() {
        assert!(matches!(what("feed"), What::Channel(_)));
        assert!(matches!(what("strait:a:b"), What::Channel(_)));
        assert!(matches!(what("file:/tmp/x"), What::Channel(_)));
        assert!(matches!(what("posix-mq:jobs"), What::PosixMq(name) if name == "/jobs"));
        assert!(matches!(what("sysv-msg:0xffffffff"), What::SysvMsg(Key::Key(-1))));
        assert!(matches!(what("sysv-msg:-1"), What::SysvMsg(Key::Key(-1))));
        assert!(matches!(what("sysv-msg:4294967295"), What::SysvMsg(Key::Key(-1))));
        assert!(matches!(what("sysv-msg:id:7"), What::SysvMsg(Key::Id(7))));
        assert!(matches!(what("unix:@x"), What::UnixStream(unix::Address::Abstract(_))));
        assert!(matches!(what("unix-datagram:/run/x"), What::UnixDatagram(unix::Address::Path(_))));
        assert!(matches!(what("tcp:localhost:80"), What::Tcp(80)));
        assert!(matches!(what("udp:80"), What::Udp(80)));
    }

    /// Each is refused with a sentence that says how it is written.
    #[test]
    fn wrong_words_are_refused() {
        for (text, why) in [
            ("", "at least one character"),
            ("a/b", "file:a/b"),
            ("..", "directory"),
            ("pipe:x", "posix-mq"),
            ("fifo:", "path is missing"),
            ("posix-mq:/", "1 to 254 bytes"),
            ("posix-mq:/a/b", "1 to 254 bytes"),
            ("sysv-msg:", "decimal or hexadecimal"),
            ("sysv-msg:0", "IPC_PRIVATE"),
            ("sysv-msg:id:-1", "decimal or hexadecimal"),
            ("unix:@", "1 to 107"),
            ("tcp:example.org:80", "not this machine"),
            ("tcp:localhost:0", "1 to 65535"),
        ] {
            let error = Address::parse(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(Address::parse(&"x".repeat(249)).is_err());
    }
}
