//! Processors, clock and virtualisation: what a wake-up costs, and whether spinning pays.

use crate::doctor::finding::{Finding, State};
use crate::doctor::machine::Machine;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::time::{Duration, Instant};
use strait::channel::Strategy;
use strait::region::Place;
use strait::sync::{Event, Options, event::Reset};

const GROUP: &str = "processors";
/// What a round trip takes where idle processors wake up quickly: 2 to 6 us each way.
const ROUND_TRIP_QUICK: Duration = Duration::from_micros(25);
const ROUNDS: usize = 200;
/// The measurement takes no longer.
const PATIENCE: Duration = Duration::from_millis(200);

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![count(machine)];
    findings.extend(quota(machine));
    findings.extend(clock(machine));
    findings.extend(wake_up(machine));
    findings
}

fn count(machine: &Machine) -> Finding {
    if machine.processors > 1 {
        return Finding::new(GROUP, "processors", State::Ok, format!("{} for this process", machine.processors));
    }
    Finding::new(GROUP, "processors", State::Note, "one for this process")
        .means("Two sides never run at the same time: a message costs a switch (about 2 us) and spinning only costs. strait sleeps at once.")
        .mend("taskset -c 0-3 COMMAND")
        .mend("docker run --cpus=2 --cpuset-cpus=0-1")
}

/// The tightest share of the groups that this process is in, in processors.
fn quota(machine: &Machine) -> Option<Finding> {
    let groups = machine.read("/proc/self/cgroup")?;
    let mut shares = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        for group in super::memory::upwards(path) {
            if id == "0" && controllers.is_empty() {
                let text = machine.read(&format!("/sys/fs/cgroup{group}/cpu.max")).unwrap_or_default();
                let numbers: Vec<f64> = text.split(' ').filter_map(|it| it.parse().ok()).collect();
                shares.extend(if let [quota, period] = numbers[..] { Some(quota / period) } else { None });
            } else if controllers.split(',').any(|it| it == "cpu") {
                let number = |name: &str| {
                    machine.read(&format!("/sys/fs/cgroup/{controllers}{group}/{name}"))?.parse::<f64>().ok()
                };
                let (quota, period) = (number("cpu.cfs_quota_us"), number("cpu.cfs_period_us"));
                shares.extend(quota.zip(period).filter(|it| it.0 > 0.0).map(|(quota, period)| quota / period));
            }
        }
    }
    let share = shares.into_iter().min_by(f64::total_cmp)?;
    let found = format!("{share:.1} processors' time, of {}", machine.processors);
    if share >= machine.processors as f64 {
        return Some(Finding::new(GROUP, "cpu quota", State::Ok, found));
    }
    let state = if share < 1.0 { State::Warn } else { State::Note };
    Some(
        Finding::new(GROUP, "cpu quota", state, found)
            .means("Who has used its share stands still for the rest of the period, up to 100 ms, spinning included, whatever comes.")
            .mend("Options::wait(Strategy::Sleep)")
            .mend("systemctl set-property UNIT CPUQuota=")
            .mend("docker run --cpus=4"),
    )
}

fn clock(machine: &Machine) -> Option<Finding> {
    let base = "/sys/devices/system/clocksource/clocksource0";
    let current = machine.read(&format!("{base}/current_clocksource"))?;
    let finding = |state| Finding::new(GROUP, "clock source", state, current.clone());
    if matches!(current.as_str(), "tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page" | "arch_sys_counter" | "xen") {
        return Some(finding(State::Ok));
    }
    let has_tsc =
        machine.read(&format!("{base}/available_clocksource")).is_some_and(|it| it.split(' ').any(|it| it == "tsc"));
    let mend = if has_tsc {
        format!("echo tsc | sudo tee {base}/current_clocksource")
    } else {
        String::from("boot with tsc=reliable, if dmesg | grep -i tsc does not say why it was given up")
    };
    Some(
        finding(State::Warn)
            .means("Reading the time enters the kernel or a device (1 us instead of 0.02): waiting with a timeout and every time stamp cost that.")
            .mend(mend),
    )
}

fn wake_up(machine: &Machine) -> Option<Finding> {
    let cpuinfo = machine.read("/proc/cpuinfo").unwrap_or_default();
    let is_guest =
        cpuinfo.lines().any(|line| line.starts_with("flags") && line.split(' ').any(|it| it == "hypervisor"));
    let kind = if is_guest { "a virtual machine" } else { "no virtual machine that shows" };
    let Some(round_trip) = machine.round_trip else {
        return is_guest.then(|| {
            Finding::new(GROUP, "virtualisation", State::Note, kind)
                .means("Idle processors may take long to wake up: tens of microseconds where a machine of metal takes two to six.")
        });
    };
    let found =
        format!("{} us from one processor to another and back, asleep in between; {kind}", round_trip.as_micros());
    if round_trip <= ROUND_TRIP_QUICK {
        return Some(Finding::new(GROUP, "wake-up", State::Ok, found));
    }
    let mend = if is_guest {
        "sudo modprobe cpuidle-haltpoll (on the host: halt_poll_ns of kvm)"
    } else {
        "sudo cpupower idle-set -D 10"
    };
    Some(
        Finding::new(GROUP, "wake-up", State::Note, found)
            .means("Idle processors take long to wake up here, whatever the mechanism: pipes and sockets pay it too. Who spins for a moment first, as Strategy::SpinThenSleep (the default) does, pays it seldom.")
            .mend(mend),
    )
}

/// Measures it between two processors of those that we may run on: a few milliseconds. `None` where there is but one, or it cannot be.
pub(in crate::doctor) fn round_trip() -> Option<Duration> {
    let all = sched_getaffinity(None).ok()?;
    let mut processors = (0..CpuSet::MAX_CPU).filter(|&it| all.is_set(it));
    let (first, last) = (processors.next()?, processors.next_back()?);
    let options = Options::new().users(2).wait(Strategy::Sleep);
    let event = |word| Event::create(Place::memfd(word), Reset::Auto, &options).ok();
    let (mut go, mut back) = (event("go")?, event("back")?);
    let (mut gone, mut come) = (go.try_clone().ok()?, back.try_clone().ok()?);
    let other = std::thread::spawn(move || {
        pin(last);
        for _ in 0..ROUNDS {
            if gone.wait_timeout(PATIENCE).is_err() || come.set().is_err() {
                return;
            }
        }
    });
    // On a thread of its own, so that ours stays where it may be.
    let here = std::thread::spawn(move || {
        pin(first);
        let start = Instant::now();
        let mut rounds = Vec::new();
        while rounds.len() < ROUNDS && start.elapsed() < PATIENCE {
            let round = Instant::now();
            go.set().ok()?;
            back.wait_timeout(PATIENCE).ok()?;
            rounds.push(round.elapsed());
        }
        // Others run here too: the median is what a quiet moment has.
        rounds.sort();
        rounds.get(rounds.len() / 2).copied()
    });
    let measured = here.join().ok().flatten();
    let _ = other.join();
    measured
}

fn pin(processor: usize) {
    let mut one = CpuSet::new();
    one.set(processor);
    // Where it is refused, what is measured is what the scheduler does.
    let _ = sched_setaffinity(None, &one);
}
