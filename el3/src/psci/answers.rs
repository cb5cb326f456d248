//! What a function answers to what it found: decisions without the machine, so that each code of each has its test here.

use super::Answer;
use super::power_state::{LEVELS, Local, PowerState};
use arm_psci::{AffinityInfo, ErrorCode, HwState};
use platform::topology::AFFINITY_MASK;
use smp_stop::{StartError, State, Untaken};

/// CPU_ON of a core that is there, or not (DEN0022, 5.1.4).
pub fn target<C>(core: Option<C>) -> Result<C, ErrorCode> {
    core.ok_or(ErrorCode::InvalidParameters)
}

/// CPU_ON of a core of another kernel that was not taken back. `None`: there was no need, it has to be looked at once more.
pub fn untaken(reason: Untaken) -> Option<ErrorCode> {
    match reason {
        Untaken::NotForeign => None,
        Untaken::TimedOut | Untaken::Lost => Some(ErrorCode::InternalFailure),
    }
}

/// CPU_ON of a core that was claimed, and sent for or not; `undo` takes the claim back, if nobody else has it by now.
pub fn started(is_coming: bool, undo: impl FnOnce() -> bool) -> Answer {
    if !is_coming && undo() { Err(ErrorCode::InternalFailure) } else { Ok(0) }
}

/// CPU_ON of a core that was not claimed (DEN0022, 5.1.4).
pub fn refused(error: StartError) -> ErrorCode {
    match error {
        StartError::AlreadyOn => ErrorCode::AlreadyOn,
        StartError::OnPending => ErrorCode::OnPending,
        StartError::Denied => ErrorCode::Denied,
    }
}

/// AFFINITY_INFO of one core (DEN0022, 5.1.5). One that is suspended is ON.
pub fn affinity(state: State) -> u64 {
    let info = match state {
        State::On | State::Suspended => AffinityInfo::On,
        State::Off => AffinityInfo::Off,
        State::OnPending => AffinityInfo::OnPending,
    };
    info as u64
}

/// AFFINITY_INFO of all cores that differ from `mpidr` in its lowest `level` fields only: ON if one is, else ON_PENDING if one
/// is. `cores` are those of the machine.
pub fn affinity_of_group(mpidr: u64, level: u64, cores: impl Iterator<Item = (u64, State)>) -> Answer {
    if !(1..=3).contains(&level) || mpidr & !AFFINITY_MASK != 0 {
        return Err(ErrorCode::InvalidParameters);
    }
    let named = AFFINITY_MASK & (u64::MAX << ((8 * level) & 63));
    let mut answer = Err(ErrorCode::InvalidParameters);
    for (_, state) in cores.filter(|(core, _)| (core ^ mpidr) & named == 0) {
        if state.is_on() {
            return Ok(affinity(state));
        }
        if state == State::OnPending || answer.is_err() {
            answer = Ok(affinity(state));
        }
    }
    answer
}

/// CPU_SUSPEND where the OS coordinates (DEN0022, 4.2.3.2 and 5.1.2), as far as this level decides. `can`: the deepest that the level can
/// be in with what is below it, if all others of it rest.
pub fn os_request(state: PowerState, level: usize, can: Option<Local>) -> Result<(), ErrorCode> {
    match can {
        None if level <= state.last() => Err(ErrorCode::Denied),
        Some(Local::Run) if state.local(level) != Local::Run => Err(ErrorCode::Denied),
        Some(can) if can < state.local(level) => Err(ErrorCode::InvalidParameters),
        _ => Ok(()),
    }
}

/// SYSTEM_SUSPEND: all others have to be OFF (DEN0022, 5.1.19).
pub fn system_suspend(alone: bool) -> Result<(), ErrorCode> {
    if alone { Ok(()) } else { Err(ErrorCode::Denied) }
}

/// PSCI_SET_SUSPEND_MODE (DEN0022, 5.1.20): whether the OS coordinates from now on, as it does now or not. `suspended`: some core has
/// called CPU_SUSPEND since that last changed; `starting`: some core is being started; `alone`: all others are OFF.
pub fn suspend_mode(
    mode: u64,
    now: bool,
    suspended: bool,
    starting: impl FnOnce() -> bool,
    alone: impl FnOnce() -> bool,
) -> Result<bool, ErrorCode> {
    let os_initiated = match mode {
        0 => false,
        1 => true,
        _ => return Err(ErrorCode::InvalidParameters),
    };
    let is_allowed = if os_initiated == now {
        true
    } else if os_initiated {
        // Whoever is suspended now has called CPU_DEFAULT_SUSPEND.
        !suspended && !starting()
    } else {
        alone()
    };
    if is_allowed { Ok(os_initiated) } else { Err(ErrorCode::Denied) }
}

/// NODE_HW_STATE's node, by a core in it, that is there or not, and the level (DEN0022, 5.1.18).
pub fn node<C>(core: Option<C>, level: u32) -> Result<(C, usize), ErrorCode> {
    match core {
        Some(core) if (level as usize) < LEVELS => Ok((core, level as usize)),
        _ => Err(ErrorCode::InvalidParameters),
    }
}

/// NODE_HW_STATE (DEN0022, 5.1.18) of a node that is noted to be in `node`, and has these cores.
pub fn hw_state(node: Local, cores: impl Iterator<Item = State>) -> HwState {
    let mut state = HwState::Off;
    for core in cores {
        match core {
            State::Off => {}
            State::Suspended => {
                state = match node {
                    Local::Run => HwState::On,
                    Local::Standby => HwState::Standby,
                    Local::PowerDown => HwState::Off,
                }
            }
            // One that was started since need not be in the node's note yet.
            State::On | State::OnPending => return HwState::On,
        }
    }
    state
}

/// MEM_PROTECT (DEN0022, 5.1.13): whether memory is protected from now on. `can`: whether all of it can be cleared.
pub fn mem_protect(enable: u64, can: bool) -> Result<bool, ErrorCode> {
    match enable {
        _ if !can => Err(ErrorCode::NotSupported),
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ErrorCode::InvalidParameters),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 4] = [State::Off, State::OnPending, State::Suspended, State::On];

    #[test]
    fn cpu_on_names_its_refusal() {
        for (error, code) in [
            (StartError::AlreadyOn, ErrorCode::AlreadyOn),
            (StartError::OnPending, ErrorCode::OnPending),
            (StartError::Denied, ErrorCode::Denied),
        ] {
            assert_eq!(refused(error), code);
        }
    }

    #[test]
    fn cpu_on_needs_a_core() {
        assert_eq!(target(Some(3)), Ok(3));
        assert_eq!(target(None::<u32>), Err(ErrorCode::InvalidParameters));
    }

    #[test]
    fn cpu_on_fails_if_the_core_does_not_let_go() {
        assert_eq!(untaken(Untaken::NotForeign), None);
        for reason in [Untaken::TimedOut, Untaken::Lost] {
            assert_eq!(untaken(reason), Some(ErrorCode::InternalFailure));
        }
    }

    #[test]
    fn cpu_on_fails_if_the_core_cannot_come() {
        assert_eq!(started(true, || unreachable!()), Ok(0));
        assert_eq!(started(false, || true), Err(ErrorCode::InternalFailure));
        // Somebody else starts it: it will come.
        assert_eq!(started(false, || false), Ok(0));
    }

    #[test]
    fn node_hw_state_needs_a_node() {
        for level in 0..LEVELS as u32 {
            assert_eq!(node(Some(7), level), Ok((7, level as usize)));
            assert_eq!(node(None::<u32>, level), Err(ErrorCode::InvalidParameters));
        }
        for level in [LEVELS as u32, u32::MAX] {
            assert_eq!(node(Some(7), level), Err(ErrorCode::InvalidParameters));
        }
    }

    #[test]
    fn affinity_info_of_a_core() {
        assert_eq!(STATES.map(affinity), [1, 2, 0, 0]);
    }

    #[test]
    fn affinity_info_of_a_group() {
        let cores = |states: [State; 3]| [0x000, 0x001, 0x100].into_iter().zip(states);
        let of = |mpidr, level, states| affinity_of_group(mpidr, level, cores(states));
        use State::*;
        // Aff0 does not count at level 1, Aff1 neither at level 2, nor Aff2 at level 3.
        assert_eq!(of(0x0ff, 1, [Off, Off, On]), Ok(1));
        assert_eq!(of(0x0ff, 1, [Off, OnPending, On]), Ok(2));
        assert_eq!(of(0x0ff, 1, [OnPending, Suspended, Off]), Ok(0));
        assert_eq!(of(0x100, 1, [Off, Off, OnPending]), Ok(2));
        assert_eq!(of(0x7ff, 2, [Off, Off, On]), Ok(0));
        assert_eq!(of(0x7ff, 2, [OnPending, Off, Off]), Ok(2));
        assert_eq!(of(0x7_07ff, 3, [Off, Off, Off]), Ok(1));
        // No such group, no such level, bits that are no affinity.
        let wrong = Err(ErrorCode::InvalidParameters);
        for (mpidr, level) in
            [(0x200, 1), (0x1_0000, 2), (1 << 32, 3), (0, 0), (0, 4), (0, u64::MAX), (1 << 31, 1), (1 << 40, 3)]
        {
            assert_eq!(of(mpidr, level, [On, On, On]), wrong, "{mpidr:#x} {level}");
        }
    }

    #[test]
    fn cpu_suspend_where_the_os_coordinates() {
        use Local::*;
        let ask = |number, level, can| os_request(PowerState::new(number).unwrap(), level, can);
        let (denied, invalid) = (Err(ErrorCode::Denied), Err(ErrorCode::InvalidParameters));
        // The core itself is always the last.
        assert_eq!(ask(0x4000_0003, 0, Some(PowerDown)), Ok(()));
        // It says that it is the last of a level, and is not; whatever it asks for.
        assert_eq!(ask(0x4000_1033, 1, None), denied);
        assert_eq!(ask(0x4000_1003, 1, None), denied);
        assert_eq!(ask(0x4000_2003, 2, None), denied);
        // Nor does it say so.
        assert_eq!(ask(0x4000_0003, 1, None), Ok(()));
        assert_eq!(ask(0x4000_1033, 2, None), Ok(()));
        // All cores rest, but somebody's cluster was left running.
        assert_eq!(ask(0x4000_2333, 2, Some(Run)), denied);
        assert_eq!(ask(0x4000_2033, 2, Some(Run)), Ok(()));
        // A core, or a cluster, rests less deeply than that.
        assert_eq!(ask(0x4000_1033, 1, Some(Standby)), invalid);
        assert_eq!(ask(0x4000_2333, 2, Some(Standby)), invalid);
        assert_eq!(ask(0x4000_2133, 2, Some(Standby)), Ok(()));
        assert_eq!(ask(0x4000_2133, 1, Some(PowerDown)), Ok(()));
    }

    #[test]
    fn system_suspend_is_for_the_last_one() {
        assert_eq!(system_suspend(true), Ok(()));
        assert_eq!(system_suspend(false), Err(ErrorCode::Denied));
    }

    #[test]
    fn the_mode_changes_when_it_may() {
        let ask = |mode, now, suspended, other| {
            suspend_mode(mode, now, suspended, || other == State::OnPending, || other == State::Off)
        };
        for mode in [2, 3, u64::MAX, 1 << 32] {
            assert_eq!(ask(mode, false, false, State::Off), Err(ErrorCode::InvalidParameters));
        }
        for state in STATES {
            // To what it is already, always.
            assert_eq!(ask(0, false, true, state), Ok(false));
            assert_eq!(ask(1, true, true, state), Ok(true));
            // To the OS, before anybody has suspended, and while nobody is being started.
            let to_os = if state == State::OnPending { Err(ErrorCode::Denied) } else { Ok(true) };
            assert_eq!(ask(1, false, false, state), to_os, "{state:?}");
            assert_eq!(ask(1, false, true, state), Err(ErrorCode::Denied));
            // Back, as the only core.
            let back = if state == State::Off { Ok(false) } else { Err(ErrorCode::Denied) };
            assert_eq!(ask(0, true, true, state), back, "{state:?}");
        }
    }

    #[test]
    fn a_node_is_in_what_is_noted_unless_a_core_runs() {
        let of = |node, states: [State; 2]| hw_state(node, states.into_iter());
        use State::*;
        for node in [Local::Run, Local::Standby, Local::PowerDown] {
            assert_eq!(of(node, [Off, Off]), HwState::Off);
            for awake in [On, OnPending] {
                assert_eq!(of(node, [Suspended, awake]), HwState::On);
                assert_eq!(of(node, [awake, Off]), HwState::On);
            }
        }
        assert_eq!(of(Local::Run, [Suspended, Off]), HwState::On);
        assert_eq!(of(Local::Standby, [Suspended, Off]), HwState::Standby);
        assert_eq!(of(Local::PowerDown, [Off, Suspended]), HwState::Off);
    }

    #[test]
    fn memory_is_protected_if_all_of_it_can_be() {
        assert_eq!(mem_protect(1, true), Ok(true));
        assert_eq!(mem_protect(0, true), Ok(false));
        for enable in [2, u64::MAX, 1 << 32] {
            assert_eq!(mem_protect(enable, true), Err(ErrorCode::InvalidParameters));
        }
        // Else there is no such function, as PSCI_FEATURES says.
        for enable in [0, 1, 2] {
            assert_eq!(mem_protect(enable, false), Err(ErrorCode::NotSupported));
        }
    }
}
