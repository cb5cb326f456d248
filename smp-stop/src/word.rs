//! The two words that decide everything, and how they are packed into 64 bits.

/// A core's number: an index into the coordinator's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Core(u16);

impl Core {
    /// Core numbers are below this.
    pub const LIMIT: usize = 1 << 10;

    /// The core with this number, if it can be one.
    pub const fn new(index: usize) -> Option<Self> {
        if index < Self::LIMIT { Some(Self(index as u16)) } else { None }
    }

    /// Its number.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a core is doing, as far as the coordinator knows. Each is the two low bits of the core's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It executes nothing and can be started.
    Off = 0,
    /// Somebody is starting it.
    OnPending = CoreWord::CLAIMED as isize,
    /// It waits, perhaps without power, to be woken. For the outside it is on.
    Suspended = CoreWord::ARRIVED as isize,
    /// It runs.
    On = (CoreWord::CLAIMED | CoreWord::ARRIVED) as isize,
}

impl State {
    /// Whether it is on for the outside, waiting or not.
    pub const fn is_on(self) -> bool {
        matches!(self, Self::Suspended | Self::On)
    }
}

/// A start that was granted: a number, never 0, that tells it from the other recent starts of the core.
///
/// Whoever leaves a message for the started core puts it in, and the core hands it to [`Coordinator::arrive_as`].
///
/// [`Coordinator::arrive_as`]: crate::Coordinator::arrive_as
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim(u64);

impl Claim {
    /// The claim with this number, which was one's.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Whom a core belongs to: a number that the coordinator's owner makes of whoever asks for a start, the same for all cores
/// of one kernel and another for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner(u64);

impl Owner {
    /// Nobody knows.
    pub const NONE: Self = Self(0);

    /// Somebody who is no more: foreign to whoever asks.
    pub(crate) const GONE: Self = Self(u64::MAX);

    /// The owner with this number; 0 is [`Owner::NONE`].
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Whether both are known, and differ.
    pub const fn is_foreign_to(self, other: Self) -> bool {
        self.0 != 0 && other.0 != 0 && self.0 != other.0
    }
}

/// Why a stop is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An ordinary stop.
    Stop,
    /// The machine is about to be reset.
    Reset,
    /// The machine is about to be powered off.
    Off,
    /// Somebody crashed.
    Crash,
}

impl Kind {
    /// Who wins: the greater. `Reset` and `Off` are alike.
    const fn urgency(self) -> u8 {
        match self {
            Self::Stop => 1,
            Self::Reset | Self::Off => 2,
            Self::Crash => 3,
        }
    }

    const fn code(self) -> u64 {
        match self {
            Self::Stop => 1,
            Self::Reset => 2,
            Self::Off => 3,
            Self::Crash => 4,
        }
    }

    const fn from_code(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::Stop),
            2 => Some(Self::Reset),
            3 => Some(Self::Off),
            4 => Some(Self::Crash),
            _ => None,
        }
    }
}

/// Whom a stop is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every core but the asker.
    Others,
    /// This core.
    One(Core),
}

/// Which stop: counts the stops, and within each the steps by which it was taken over or became more urgent.
///
/// Packed as: step in bits 2..0, stop from bit 3; 41 bits in all, compared so that the newer of two close epochs is
/// known across the wrap. Each step of a stop is more urgent than the one before, so three bits are enough; should many
/// survivors be turned off by others, one after the other, the steps run over into a new stop, whose stragglers they leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

impl Epoch {
    const BITS: u32 = 41;
    const MASK: u64 = (1 << Self::BITS) - 1;
    const STEP_BITS: u32 = 3;
    const STEP_MASK: u64 = (1 << Self::STEP_BITS) - 1;

    /// The epoch before the first stop.
    pub const ZERO: Self = Self(0);

    /// The stop's number, from 1. A stop that was taken over keeps it.
    pub const fn number(self) -> u64 {
        self.0 >> Self::STEP_BITS
    }

    /// The epoch of the next stop.
    pub(crate) const fn next_stop(self) -> Self {
        Self(((self.0 | Self::STEP_MASK) + 1) & Self::MASK)
    }

    /// The epoch of the same stop in other hands, or made more urgent.
    pub(crate) const fn next_step(self) -> Self {
        Self((self.0 + 1) & Self::MASK)
    }

    /// Whether both belong to one stop.
    pub(crate) const fn same_stop(self, other: Self) -> bool {
        self.number() == other.number()
    }

    /// Whether this came after `other`.
    pub const fn is_after(self, other: Self) -> bool {
        let ahead = self.0.wrapping_sub(other.0) & Self::MASK;
        ahead != 0 && ahead < 1 << (Self::BITS - 1)
    }
}

/// A core's word.
///
/// Packed as: claimed for starting in bit 0, arrived in bit 1 (both: `On`; arrived alone: `Suspended`), condemned in bit 2,
/// epoch in bits 43..3, wakings from bit 44.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CoreWord {
    /// What it is doing.
    pub state: State,
    /// It has to turn itself off. Never set on a core that is `Off`.
    pub condemned: bool,
    /// The stop that condemned it; when it is not condemned, the newest that it has lived through.
    pub epoch: Epoch,
    /// How often it has been claimed for starting or has resumed, modulo 2^20. Who sees it at rest (`Off` or `Suspended`)
    /// twice with the same number knows that it has been at rest in between.
    pub wakings: u32,
}

impl CoreWord {
    const CLAIMED: u64 = 1 << 0;
    const ARRIVED: u64 = 1 << 1;
    pub(crate) const CONDEMNED: u64 = 1 << 2;
    /// State and mark.
    pub(crate) const FLAGS: u64 = (1 << Self::EPOCH_SHIFT) - 1;
    const EPOCH_SHIFT: u32 = 3;
    const WAKINGS_SHIFT: u32 = Self::EPOCH_SHIFT + Epoch::BITS;

    /// `Off`, as all cores begin.
    pub const OFF: Self = Self { state: State::Off, condemned: false, epoch: Epoch::ZERO, wakings: 0 };

    pub(crate) const fn pack(self) -> u64 {
        let condemned = if self.condemned { Self::CONDEMNED } else { 0 };
        let epoch = self.epoch.0 << Self::EPOCH_SHIFT;
        self.state as u64 | condemned | epoch | (self.wakings as u64) << Self::WAKINGS_SHIFT
    }

    pub(crate) const fn unpack(word: u64) -> Self {
        Self {
            state: match word & (Self::CLAIMED | Self::ARRIVED) {
                0 => State::Off,
                Self::CLAIMED => State::OnPending,
                Self::ARRIVED => State::Suspended,
                _ => State::On,
            },
            condemned: word & Self::CONDEMNED != 0,
            epoch: Epoch(word >> Self::EPOCH_SHIFT & Epoch::MASK),
            wakings: (word >> Self::WAKINGS_SHIFT) as u32,
        }
    }

    /// The core leaves its rest, and is then this.
    pub(crate) const fn woken(self, state: State) -> Self {
        Self { state, wakings: self.wakings.wrapping_add(1), ..self }
    }

    /// Claimed for starting, by somebody who has seen a stop word of this epoch.
    pub(crate) const fn claimed(self, epoch: Epoch) -> (Self, Claim) {
        let word = Self { condemned: false, epoch, ..self.woken(State::OnPending) };
        (word, word.last_claim())
    }

    /// The start that the core waits for, if it does.
    pub(crate) const fn claim(self) -> Option<Claim> {
        if matches!(self.state, State::OnPending) { Some(self.last_claim()) } else { None }
    }

    const fn last_claim(self) -> Claim {
        Claim((self.wakings as u64) << Self::WAKINGS_SHIFT | Self::CLAIMED)
    }
}

/// A stop in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stopping {
    /// Why.
    pub kind: Kind,
    /// Who will be left.
    pub survivor: Core,
    /// Who will not.
    pub scope: Scope,
}

impl Stopping {
    /// Whether `core` is to be turned off by this stop.
    pub fn condemns(&self, core: Core) -> bool {
        match self.scope {
            Scope::Others => core != self.survivor,
            Scope::One(target) => core == target,
        }
    }

    /// Rule 3: stopping everyone goes before stopping one, then the kind decides.
    pub(crate) fn yields_to(&self, other: &Self) -> bool {
        self.rank() < other.rank()
    }

    fn rank(&self) -> u8 {
        match self.scope {
            Scope::One(_) => 0,
            Scope::Others => self.kind.urgency(),
        }
    }
}

/// The machine's stop word.
///
/// Packed as: kind in bits 2..0 (0: idle), survivor in 12..3, target in 22..13 (the survivor itself stands for
/// "others"), epoch from bit 23.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StopWord {
    /// The stop in progress, if there is one.
    pub stopping: Option<Stopping>,
    /// The epoch of that stop, or of the last one.
    pub epoch: Epoch,
}

impl StopWord {
    const SURVIVOR_SHIFT: u32 = 3;
    const TARGET_SHIFT: u32 = 13;
    const EPOCH_SHIFT: u32 = 23;
    const CORE_MASK: u64 = Core::LIMIT as u64 - 1;

    /// Idle, before the first stop.
    pub const IDLE: Self = Self { stopping: None, epoch: Epoch::ZERO };

    pub(crate) const fn pack(self) -> u64 {
        let epoch = self.epoch.0 << Self::EPOCH_SHIFT;
        match self.stopping {
            None => epoch,
            Some(Stopping { kind, survivor, scope }) => {
                let target = match scope {
                    Scope::Others => survivor,
                    Scope::One(target) => target,
                };
                epoch
                    | (target.0 as u64) << Self::TARGET_SHIFT
                    | (survivor.0 as u64) << Self::SURVIVOR_SHIFT
                    | kind.code()
            }
        }
    }

    pub(crate) const fn unpack(word: u64) -> Self {
        let survivor = Core((word >> Self::SURVIVOR_SHIFT & Self::CORE_MASK) as u16);
        let target = Core((word >> Self::TARGET_SHIFT & Self::CORE_MASK) as u16);
        let scope = if target.0 == survivor.0 { Scope::Others } else { Scope::One(target) };
        Self {
            stopping: match Kind::from_code(word & 7) {
                None => None,
                Some(kind) => Some(Stopping { kind, survivor, scope }),
            },
            epoch: Epoch(word >> Self::EPOCH_SHIFT),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn core_words_survive_packing() {
        for state in [State::Off, State::OnPending, State::Suspended, State::On] {
            for condemned in [false, true] {
                for (epoch, wakings) in [(0, 0), (1, 1), (Epoch::MASK, 0), (0, (1 << 20) - 1)] {
                    let word = CoreWord { state, condemned, epoch: Epoch(epoch), wakings };
                    assert_eq!(CoreWord::unpack(word.pack()), word);
                }
            }
        }
    }

    #[test]
    fn claims_differ_and_outlast_a_mark_and_the_wrap() {
        let claimed = |word: CoreWord| CoreWord::unpack(word.claimed(Epoch::ZERO).0.pack());
        let first = claimed(CoreWord::OFF);
        let marked = CoreWord { condemned: true, epoch: Epoch(7), ..first };
        assert!(marked.claim().is_some_and(|claim| Some(claim) == first.claim() && claim.number() != 0));
        assert_ne!(claimed(first).claim(), first.claim());
        assert_eq!(CoreWord { state: State::On, ..first }.claim(), None);
        let last = CoreWord { wakings: (1 << 20) - 1, epoch: Epoch(Epoch::MASK), ..first };
        let wrapped = CoreWord::unpack(last.claimed(last.epoch).0.pack());
        assert_eq!((wrapped.wakings, wrapped.epoch), (0, last.epoch));
        assert!(wrapped.claim().is_some_and(|claim| claim.number() != 0));
    }

    #[test]
    fn stop_words_survive_packing() {
        let core = |index| Core::new(index).unwrap();
        for kind in [Kind::Stop, Kind::Reset, Kind::Off, Kind::Crash] {
            for scope in [Scope::Others, Scope::One(core(0)), Scope::One(core(1023))] {
                let stopping = Stopping { kind, survivor: core(511), scope };
                let word = StopWord { stopping: Some(stopping), epoch: Epoch(Epoch::MASK) };
                assert_eq!(StopWord::unpack(word.pack()), word);
            }
        }
        assert_eq!(StopWord::unpack(StopWord::IDLE.pack()), StopWord::IDLE);
    }

    #[test]
    fn epochs_compare_across_the_wrap() {
        let last = Epoch(Epoch::MASK);
        for next in [last.next_step(), last.next_stop()] {
            assert!(next.is_after(last));
            assert!(!last.is_after(next));
            assert_eq!(next.number(), 0);
        }
        assert!(!last.is_after(last));
    }

    #[test]
    fn a_stop_keeps_its_number_when_it_is_taken_over() {
        let first = Epoch::ZERO.next_stop();
        let taken_over = first.next_step().next_step();
        assert_eq!((first.number(), taken_over.number(), taken_over.next_stop().number()), (1, 1, 2));
        assert!(first.same_stop(taken_over) && !first.same_stop(taken_over.next_stop()));
        assert!(taken_over.is_after(first) && taken_over.next_stop().is_after(taken_over));
    }

    #[test]
    fn everyone_goes_before_one_and_then_the_kind_decides() {
        let stopping = |kind, scope| Stopping { kind, survivor: Core(0), scope };
        let rising = [
            stopping(Kind::Crash, Scope::One(Core(1))),
            stopping(Kind::Stop, Scope::Others),
            stopping(Kind::Reset, Scope::Others),
            stopping(Kind::Crash, Scope::Others),
        ];
        for (rank, now) in rising.iter().enumerate() {
            for (other_rank, other) in rising.iter().enumerate() {
                assert_eq!(now.yields_to(other), rank < other_rank, "{now:?} to {other:?}");
            }
        }
        let off = stopping(Kind::Off, Scope::Others);
        assert!(!rising[2].yields_to(&off) && !off.yields_to(&rising[2]), "reset and off are alike");
    }
}
