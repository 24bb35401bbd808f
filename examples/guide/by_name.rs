//! The mechanisms that have names, opened by them; the guide's pages show these lines:
//! `cargo run -p strait-examples --example guide_by_name`
#![forbid(unsafe_code)]

use std::path::Path;
use std::time::Duration;
use strait::channel::{broadcast, mpmc, rpc, spsc, watch};
use strait::region::{Place, Region};
use strait::sync::{Mutex, Semaphore};
use strait::transport::unix::{Listener, Packets, Stream};
use strait::transport::{
    MessageReceiver as _, MessageSender as _, Options, Patience, fifo, inet, pipe, posix_mq, sysv_msg, unix,
};
use strait::{process, region, sync};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The ends are in one process here, and usually in two.
fn main() -> Outcome {
    let folder = std::env::temp_dir().join(format!("strait-guide-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let done = all(&folder, &format!("guide-{}", std::process::id()));
    std::fs::remove_dir_all(&folder)?;
    done
}

fn all(folder: &Path, name: &str) -> Outcome {
    packets()?;
    fifo(&folder.join("fifo"))?;
    unix(&folder.join("socket"))?;
    unix_seqpacket(&folder.join("packets"))?;
    unix_datagram(&folder.join("datagrams"))?;
    tcp()?;
    udp()?;
    posix_mq(name)?;
    sysv_msg()?;
    spsc(name)?;
    mpmc(name)?;
    broadcast(name)?;
    watch(name)?;
    rpc(name)?;
    locks(name)?;
    regions(name, &folder.join("file"))?;
    processes()?;
    println!("each has carried one line");
    Ok(())
}

fn packets() -> Outcome {
    let (mut sender, mut receiver) = pipe::packet_pair(&Options::new())?;
    sender.send(b"one")?;
    sender.send(b"two")?;
    let mut line = Vec::new();
    receiver.recv(&mut line)?; // "one": no length in front, no read ahead
    assert_eq!(line, b"one");
    Ok(())
}

fn fifo(path: &Path) -> Outcome {
    fifo::create(path, &Options::new())?;
    // The one who receives, whoever comes and goes.
    let mut lines = fifo::Receiver::open(path, &Options::new())?.stay()?;
    // One who sends; it waits until somebody receives, for five seconds at the most.
    let mut sender = fifo::sender_timeout(path, &Options::new(), Duration::from_secs(5))?;
    sender.send(b"one")?;
    let mut line = Vec::new();
    lines.recv(&mut line)?;
    assert_eq!(line, b"one");
    Ok(())
}

fn unix(path: &Path) -> Outcome {
    let listener = Listener::<Stream>::bind(path, &Options::new())?;
    let mut client = unix::connect::<Stream>(path, &Options::new())?;
    let mut server = listener.accept()?;
    println!("{:?}", server.peer()?); // who connected, by the kernel's word
    client.sender.send(b"one")?;
    let mut line = Vec::new();
    server.receiver.recv(&mut line)?;
    assert_eq!(line, b"one");
    Ok(())
}

fn unix_seqpacket(path: &Path) -> Outcome {
    let listener = Listener::<Packets>::bind(path, &Options::new())?;
    let mut client = unix::connect::<Packets>(path, &Options::new())?;
    let mut server = listener.accept()?;
    let file = std::fs::File::open("/dev/null")?;
    client.sender.send_fds(b"one", &[std::os::fd::AsFd::as_fd(&file)], Patience::Endless)?;
    let mut line = Vec::new();
    let received = server.receiver.recv_from(&mut line, Patience::Endless)?;
    assert_eq!((line.as_slice(), received.fds.len()), (&b"one"[..], 1));
    Ok(())
}

fn unix_datagram(path: &Path) -> Outcome {
    let mut log = unix::datagram_receiver(path, &Options::new())?;
    log.ask_for_sender()?;
    let mut program = unix::datagram_sender(path, &Options::new())?;
    program.send(b"one")?;
    let mut line = Vec::new();
    let received = log.recv_from(&mut line, Patience::Endless)?;
    println!("{:?}", received.from); // the kernel says who sent it
    assert_eq!(line, b"one");
    Ok(())
}

fn tcp() -> Outcome {
    let listener = inet::TcpListener::bind(0, &Options::new())?; // 0: any port that is free
    let mut client = inet::tcp_connect(listener.port(), &Options::new())?;
    let mut server = listener.accept()?;
    client.sender.send(b"one")?;
    let mut line = Vec::new();
    server.receiver.recv(&mut line)?;
    assert_eq!(line, b"one");
    Ok(())
}

fn udp() -> Outcome {
    let (mut receiver, port) = inet::udp_receiver(0, &Options::new())?;
    let mut sender = inet::udp_sender(port, &Options::new())?;
    sender.send(b"one")?;
    let mut line = Vec::new();
    receiver.recv(&mut line)?;
    assert_eq!(line, b"one");
    Ok(())
}

fn posix_mq(name: &str) -> Outcome {
    posix_mq::create(name, &Options::new().message_bytes_max(1000).messages_max(10))?;
    let mut sender = posix_mq::Sender::open(name)?;
    let mut receiver = posix_mq::Receiver::open(name)?;
    sender.send_priority(b"later", 0, Patience::Endless)?;
    sender.send_priority(b"first", 9, Patience::Endless)?;
    let mut line = Vec::new();
    assert_eq!(receiver.recv_priority(&mut line, Patience::Endless)?, 9);
    posix_mq::remove(name)?; // or it stays
    assert_eq!(line, b"first");
    Ok(())
}

fn sysv_msg() -> Outcome {
    let queue = sysv_msg::Queue::create_private(&Options::new())?; // or create(key), open(key)
    let two = std::num::NonZero::new(2).ok_or("above zero")?;
    let (mut sender, mut receiver) = (queue.sender(&Options::new())?, queue.receiver(&Options::new())?);
    sender.send(b"of type one")?;
    sender.send_type(two, b"of type two", Patience::Endless)?;
    let mut line = Vec::new();
    receiver.recv_select(sysv_msg::Select::Type(two), &mut line, Patience::Endless)?;
    queue.remove()?; // or it stays
    assert_eq!(line, b"of type two");
    Ok(())
}

fn spsc(name: &str) -> Outcome {
    let mut sender = spsc::Sender::<[u8]>::create(name, &spsc::Options::new())?;
    let mut receiver = spsc::Receiver::<[u8]>::open(name, &spsc::Options::new())?;
    let mut room = sender.reserve(3)?; // in the shared memory itself
    room.copy_from_slice(b"one");
    room.publish();
    assert_eq!(*receiver.recv_ref()?, b"one"[..]); // read where it lies
    Ok(())
}

fn mpmc(name: &str) -> Outcome {
    let mut producer = mpmc::Producer::<[u8]>::create(name, &mpmc::Options::new())?;
    let mut worker = mpmc::Worker::<[u8]>::open(name, &mpmc::Options::new())?;
    producer.push(b"one")?;
    let job = worker.pop()?;
    assert_eq!((&*job, job.deliveries()), (&b"one"[..], 1));
    job.ack(); // done; without it the job comes again
    Ok(())
}

fn broadcast(name: &str) -> Outcome {
    let options = broadcast::Options::new().policy(broadcast::Policy::DropOldest);
    let mut publisher = broadcast::Publisher::<u64>::create(name, &options)?;
    let mut one = broadcast::Subscriber::<u64>::open(name, &broadcast::Options::new())?;
    let mut other = broadcast::Subscriber::<u64>::open(name, &broadcast::Options::new())?;
    publisher.publish(&42)?;
    assert_eq!((one.recv()?, other.recv()?), (42, 42));
    Ok(())
}

fn watch(name: &str) -> Outcome {
    let mut writer = watch::Writer::<f64>::create(name, &watch::Options::new())?;
    let mut reader = watch::Reader::<f64>::open(name, &watch::Options::new())?;
    writer.send(&20.5)?;
    writer.send(&21.0)?;
    assert_eq!((reader.get()?, reader.version()), (21.0, 2));
    Ok(())
}

fn rpc(name: &str) -> Outcome {
    let server = rpc::Server::<u64, u64>::create(name, &rpc::Options::new())?;
    let client = rpc::Client::<u64, u64>::open(name, &rpc::Options::new())?;
    let (one, other) = (client.start(&3)?, client.start(&4)?); // both under way
    for _ in 0..2 {
        let request = server.recv()?;
        let square = *request * *request;
        request.answer(&square)?;
    }
    assert_eq!(one.wait()? + other.wait()?, 25);
    Ok(())
}

fn locks(name: &str) -> Outcome {
    let mut here = Mutex::create(name, &41_u64, &sync::Options::new())?;
    let mut there = Mutex::<u64>::open(name, &sync::Options::new())?;
    *here.lock().map_err(|why| why.to_string())? += 1;
    assert_eq!(*there.lock().map_err(|why| why.to_string())?, 42);

    let mut seats = Semaphore::create(Place::memfd("seats"), 2, 2, &sync::Options::new())?;
    seats.acquire()?; // given back by release, or by death
    seats.release()?;
    Ok(())
}

fn regions(name: &str, path: &Path) -> Outcome {
    let options = region::Options::new();
    for place in [Place::posix(name), Place::file(path), Place::memfd("label"), Place::sysv(0), Place::anonymous()] {
        let region = Region::create(place, 4096, &options)?;
        region.write(0, b"one")?;
        if let Some(id) = region.sysv_id() {
            Region::remove(Place::sysv_id(id))?; // it stays otherwise
        }
    }
    Region::remove(Place::posix(name))?; // so does it: a bare region has no last user
    Ok(())
}

fn processes() -> Outcome {
    let mut child = process::Command::new("sleep").arg("60").spawn()?;
    assert_eq!(child.wait_timeout(Duration::from_millis(1))?, None);
    let exit = child.stop(Duration::from_secs(5))?; // SIGTERM, and SIGKILL after five seconds
    assert_eq!(exit.to_string(), "killed by signal 15 (SIGTERM)");
    Ok(())
}
