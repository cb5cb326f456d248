//! Cores that suspend as they are told, and what became of it.

use crate::percpu::MAX_CORES;
use crate::suspend::{self, Woken, state};
use crate::{check, cpu, gic, percpu, psci, smp};
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

/// What a core calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// CPU_SUSPEND to this state.
    To(u64),
    /// CPU_DEFAULT_SUSPEND.
    Default,
    /// CPU_FREEZE: does not come back.
    Freeze,
    /// SYSTEM_SUSPEND, which is DENIED while another core is on, again and again: does not come back.
    System,
}

impl How {
    /// Whether the core loses its power.
    fn is_down(self) -> bool {
        match self {
            Self::To(power_state) => state::is_down(power_state),
            Self::Default => true,
            Self::Freeze | Self::System => false,
        }
    }

    const DEFAULT: u64 = 1 << 32;
    const FREEZE: u64 = 2 << 32;
    const SYSTEM: u64 = 3 << 32;

    fn encode(self) -> u64 {
        match self {
            Self::To(power_state) => power_state,
            Self::Default => Self::DEFAULT,
            Self::Freeze => Self::FREEZE,
            Self::System => Self::SYSTEM,
        }
    }

    fn decode(code: u64) -> Self {
        match code {
            Self::DEFAULT => Self::Default,
            Self::FREEZE => Self::Freeze,
            Self::SYSTEM => Self::System,
            power_state => Self::To(power_state),
        }
    }
}

/// How a core sleeps.
#[derive(Clone, Copy, Debug)]
pub struct Nap {
    /// What it calls.
    pub how: How,
    /// When its timer wakes it, by the counter.
    pub alarm: Option<u64>,
    /// No interrupt of the kernel's reaches it.
    pub deaf: bool,
}

impl Nap {
    /// Until some other core wakes it.
    pub fn new(how: How) -> Self {
        Self { how, alarm: None, deaf: false }
    }

    /// The same to a state of CPU_SUSPEND.
    pub fn to(power_state: u64) -> Self {
        Self::new(How::To(power_state))
    }
}

/// How it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The call returned.
    Returned(i32),
    /// The core was entered.
    Entered,
}

impl From<Woken> for Answer {
    fn from(woken: Woken) -> Self {
        match woken {
            Woken::Returned(status) => Self::Returned(status),
            Woken::Entered(_) => Self::Entered,
        }
    }
}

struct Sleeper {
    how: AtomicU64,
    alarm: AtomicU64,
    deaf: AtomicBool,
    /// When it made its call; 0 before.
    began: AtomicU64,
    /// When it was back; 0 before.
    ended: AtomicU64,
    answer: AtomicI64,
}

const NO_ALARM: u64 = 0;
const ENTERED: i64 = i64::MAX;

static SLEEPERS: [Sleeper; MAX_CORES] = [const {
    Sleeper {
        how: AtomicU64::new(0),
        alarm: AtomicU64::new(NO_ALARM),
        deaf: AtomicBool::new(false),
        began: AtomicU64::new(0),
        ended: AtomicU64::new(0),
        answer: AtomicI64::new(0),
    }
}; MAX_CORES];

/// Has a core in its idle loop do it, without waiting for it.
pub fn send_to_sleep(index: usize, nap: Nap) {
    let sleeper = &SLEEPERS[index];
    smp::wait_done(index);
    sleeper.how.store(nap.how.encode(), SeqCst);
    sleeper.alarm.store(nap.alarm.unwrap_or(NO_ALARM), SeqCst);
    sleeper.deaf.store(nap.deaf, SeqCst);
    sleeper.began.store(0, SeqCst);
    sleeper.ended.store(0, SeqCst);
    // An IPI could come when the core is asleep already.
    smp::leave_for(index, |_| fall_asleep(), 0);
}

/// A job: does it.
fn fall_asleep() {
    let sleeper = &SLEEPERS[cpu::index()];
    let how = How::decode(sleeper.how.load(SeqCst));
    cpu::mask_all();
    gic::handle();
    match sleeper.alarm.load(SeqCst) {
        NO_ALARM => gic::stop_timer(),
        time => gic::set_alarm(time),
    }
    if sleeper.deaf.load(SeqCst) {
        gic::close_interface();
    }
    sleeper.began.store(cpu::now(), SeqCst);
    let answer = match how {
        How::To(power_state) => suspend::cpu_suspend(power_state),
        How::Default => suspend::cpu_default_suspend(),
        How::Freeze => Woken::Returned(psci::call(psci::CPU_FREEZE, &[])),
        How::System => loop {
            match suspend::system_suspend() {
                Woken::Returned(psci::DENIED) => {}
                other => break other,
            }
        },
    };
    sleeper.ended.store(cpu::now(), SeqCst);
    let code = match Answer::from(answer) {
        Answer::Returned(status) => status.into(),
        Answer::Entered => ENTERED,
    };
    sleeper.answer.store(code, SeqCst);
    gic::init_interface();
    cpu::unmask_interrupts();
}

/// The same, and waits until the core sleeps, as the firmware says: NODE_HW_STATE, or AFFINITY_INFO of a frozen one.
pub fn put_to_sleep(index: usize, nap: Nap) -> bool {
    send_to_sleep(index, nap);
    wait_asleep(index, nap.how)
}

/// Waits until it sleeps.
pub fn wait_asleep(index: usize, how: How) -> bool {
    let sleeper = &SLEEPERS[index];
    let mpidr = percpu::cpu(index).mpidr();
    let mut seen = None;
    let asleep = || {
        if sleeper.ended.load(SeqCst) != 0 {
            return true;
        }
        let called = sleeper.began.load(SeqCst) != 0;
        let now = match how {
            How::To(_) | How::Default => psci::node_hw_state(mpidr, 0),
            How::Freeze => psci::affinity_info(mpidr),
            // It is as good as there.
            How::System => psci::hw::STANDBY,
        };
        seen = Some(now);
        // Without NODE_HW_STATE nobody can tell.
        called && (now == expected(how) || now == psci::NOT_SUPPORTED)
    };
    let came = check::wait_for(format_args!("core {index} to sleep ({how:x?})"), asleep);
    if !came {
        info!("core {index}: NODE_HW_STATE {seen:?}, AFFINITY_INFO {}", psci::affinity_info(mpidr));
    }
    let back = sleeper.ended.load(SeqCst) != 0;
    if back {
        check!(false, "core {index} to sleep ({how:x?}): is back already, with {:?}", answer_of(index));
    }
    if seen == Some(psci::NOT_SUPPORTED) {
        check!(false, "NODE_HW_STATE of core {index}: expected {}, saw NOT_SUPPORTED", expected(how));
    }
    came && !back
}

fn expected(how: How) -> i32 {
    match how {
        How::Freeze => psci::STATE_OFF,
        How::To(_) | How::Default if how.is_down() => psci::hw::OFF,
        _ => psci::hw::STANDBY,
    }
}

/// How it was, once it is back.
fn answer_of(index: usize) -> Answer {
    match SLEEPERS[index].answer.load(SeqCst) {
        ENTERED => Answer::Entered,
        status => Answer::Returned(status as i32),
    }
}

/// Whether it is back.
pub fn is_back(index: usize) -> bool {
    SLEEPERS[index].ended.load(SeqCst) != 0
}

/// Waits until it is back; how it was.
pub fn wait_back(index: usize) -> Option<Answer> {
    let back = check::wait_for(format_args!("core {index} to wake"), || is_back(index));
    back.then(|| {
        smp::wait_done(index);
        answer_of(index)
    })
}

/// When it made its call, and when it was back.
pub fn times(index: usize) -> core::ops::Range<u64> {
    SLEEPERS[index].began.load(SeqCst)..SLEEPERS[index].ended.load(SeqCst)
}

/// What a sleep to a state has to come back with.
pub fn right_answer(power_state: u64) -> Answer {
    if state::is_down(power_state) { Answer::Entered } else { Answer::Returned(psci::SUCCESS) }
}
