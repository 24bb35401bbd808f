//! POSIX and System V objects, and FIFOs.

use super::{Args, Failure, Kind};
use strait::region::{self, Place, Region};
use strait::sync::{PosixSemaphore, SysvSemaphores};
use strait::transport::{self, fifo, posix_mq, sysv_msg};

/// Makes it; says what finds it.
pub(super) fn make(args: &Args) -> Result<String, Failure> {
    let (name, bare) = (args.name.as_str(), args.name.trim_start_matches('/'));
    let is_posix = matches!(args.kind, Kind::PosixShm | Kind::PosixMq | Kind::PosixSem);
    if is_posix && name.strip_prefix('/').unwrap_or(name).contains('/') {
        let shown = crate::text::safe(name);
        return Err(Failure::Usage(format!("use name '{shown}': a POSIX name has no slash but the first: /feed")));
    }
    let memory = region::Options::new().mode(args.mode);
    let queue = transport::Options::new().mode(args.mode);
    match args.kind {
        Kind::PosixShm => {
            args.only(&["--size"])?;
            drop(Region::create(Place::posix_raw(name), args.must_have_size()?, &memory)?);
            Ok(format!("posix-shm:/{bare}"))
        }
        Kind::PosixMq => {
            args.only(&["--messages", "--message-size"])?;
            let mut options = queue;
            options = args.messages.map_or(options.clone(), |messages| options.messages_max(messages));
            options = options.message_bytes_max(match args.message_size {
                Some(bytes) => within_the_limit(bytes)?,
                None => posix_mq::limits().1 as usize,
            });
            posix_mq::create(name, &options)?;
            Ok(format!("posix-mq:/{bare}"))
        }
        Kind::PosixSem => {
            args.only(&["--value"])?;
            drop(PosixSemaphore::create(name, args.value, &memory)?);
            Ok(format!("posix-sem:/{bare}"))
        }
        Kind::SysvShm => {
            args.only(&["--size"])?;
            let region = Region::create(Place::sysv(key(name)?), args.must_have_size()?, &memory)?;
            Ok(format!("sysv-shm:id:{}", region.sysv_id().unwrap_or(-1)))
        }
        Kind::SysvMsg => {
            args.only(&[])?;
            let made = match key(name)? {
                0 => sysv_msg::Queue::create_private(&queue)?,
                key => sysv_msg::Queue::create(key, &queue)?,
            };
            Ok(format!("sysv-msg:id:{}", made.id()))
        }
        Kind::SysvSem => {
            args.only(&["--value", "--count"])?;
            let value = u16::try_from(args.value).map_err(|_| Failure::Usage("--value: at most 32,767".to_owned()))?;
            let values = vec![value; args.count.into()];
            let made = match key(name)? {
                0 => SysvSemaphores::create_private(&values, args.mode)?,
                key => SysvSemaphores::create(key, &values, args.mode)?,
            };
            Ok(format!("sysv-sem:id:{}", made.id()))
        }
        _ => {
            args.only(&[])?;
            fifo::create(name, &queue)?;
            Ok(format!("fifo:{name}"))
        }
    }
}

/// Longer ones the queue would silently be made without.
fn within_the_limit(bytes: u64) -> Result<usize, Failure> {
    let (_, limit) = posix_mq::limits();
    usize::try_from(bytes).ok().filter(|bytes| *bytes <= limit as usize).ok_or_else(|| {
        let why = format!("--message-size {bytes}: the system allows {limit}; raise /proc/sys/fs/mqueue/msgsize_max");
        Failure::Usage(why)
    })
}

/// `0x1234` or `4660`; `private` is 0, `IPC_PRIVATE`.
fn key(text: &str) -> Result<i32, Failure> {
    let number = match text.strip_prefix("0x") {
        _ if text == "private" => return Ok(0),
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse::<u32>(),
    };
    // A key is 32 bits, of whatever sign.
    number.ok().filter(|key| *key != 0).map(|key| key as i32).ok_or_else(|| {
        let shown = crate::text::safe(text);
        Failure::Usage(format!("use key '{shown}': write 0x1234, a number that is not 0, or private"))
    })
}
