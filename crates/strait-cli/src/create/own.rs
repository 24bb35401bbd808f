//! Strait's channels and regions.
//!
//! A channel is made to be kept: the end that made it leaves, and the name stays.

use super::{Args, Failure, Kind};
use crate::text::safe;
use strait::channel::{broadcast, mpmc, rpc, spsc, watch};
use strait::region::{Options, Place, Region};

/// Makes it; says what finds it.
pub(super) fn make(args: &Args) -> Result<String, Failure> {
    let (mode, (name, address)) = (args.mode, place(&args.name)?);
    let name = &name;
    match args.kind {
        Kind::Spsc => {
            args.only(&["--size"])?;
            let mut options = spsc::Options::new().kept(true).mode(mode);
            options = options.capacity_bytes(args.size.unwrap_or(64 << 10));
            drop(spsc::Sender::<[u8]>::create(name, &options)?);
        }
        Kind::Mpmc => {
            args.only(&["--messages", "--message-size", "--users"])?;
            let mut options = mpmc::Options::new().kept(true).mode(mode);
            options = args.messages.map_or(options.clone(), |jobs| options.capacity(jobs));
            options = args.users.map_or(options.clone(), |users| options.seats(users));
            if let Some(bytes) = small(args.message_size)? {
                options = options.job_max_bytes(bytes);
            }
            drop(mpmc::Producer::<[u8]>::create(name, &options)?);
        }
        Kind::Broadcast => {
            args.only(&["--messages", "--message-size", "--users"])?;
            let mut options = broadcast::Options::new().kept(true).mode(mode);
            options = args.messages.map_or(options.clone(), |messages| options.capacity(messages.into()));
            options = args.users.map_or(options.clone(), |users| options.subscribers(users));
            options = args.message_size.map_or(options.clone(), |bytes| options.max_message_bytes(bytes));
            drop(broadcast::Publisher::<[u8]>::create(name, &options)?);
        }
        Kind::Watch => {
            args.only(&["--message-size", "--users"])?;
            let mut options = watch::Options::new().kept(true).mode(mode);
            options = args.users.map_or(options.clone(), |users| options.readers(users));
            options = args.message_size.map_or(options.clone(), |bytes| options.max_message_bytes(bytes));
            drop(watch::Writer::<[u8]>::create(name, &options)?);
        }
        Kind::Rpc => {
            args.only(&["--messages", "--message-size", "--users"])?;
            let mut options = rpc::Options::new().kept(true).mode(mode);
            options = args.messages.map_or(options.clone(), |calls| options.in_flight(calls));
            options = args.users.map_or(options.clone(), |users| options.clients(users));
            if let Some(bytes) = small(args.message_size)? {
                options = options.max_request_bytes(bytes).max_answer_bytes(bytes);
            }
            drop(rpc::Client::<[u8], [u8]>::create(name, &options)?);
        }
        _ => {
            args.only(&["--size"])?;
            drop(Region::create(name, args.must_have_size()?, &Options::new().mode(mode))?);
        }
    }
    Ok(address)
}

/// Where a name means it to be, and how it is written in full: `feed`, `strait:feed`, `file:PATH`, as `strait send` and the others have it.
fn place(name: &str) -> Result<(Place, String), Failure> {
    if let Some(path) = name.strip_prefix("file:") {
        return match path {
            "" => Err(Failure::Usage("the path is missing behind the colon of 'file:'".to_owned())),
            path => Ok((Place::file(path), name.to_owned())),
        };
    }
    let short = name.strip_prefix("strait:").unwrap_or(name);
    if short.contains('/') {
        let shown = safe(short);
        return Err(Failure::Usage(format!("use name '{shown}': it has a slash; for a file write file:{shown}")));
    }
    Ok((Place::posix(short), format!("strait:{short}")))
}

fn small(bytes: Option<u64>) -> Result<Option<u32>, Failure> {
    let too_long = |_| Failure::Usage("--message-size: at most 4 GiB".to_owned());
    bytes.map(u32::try_from).transpose().map_err(too_long)
}
