//! What the core executes with, and what controls it (DDI0487, D24): system registers, FP, SVE, SME, pointer
//! authentication, memory tags, traps to EL2, timers.
//!
//! Registers have their number where the assembler may not know the name.

use super::ids::Ids;
use super::probe::{Feature, Levels, Probe};

/// The features.
pub const FEATURES: &[Feature] = &[
    Feature {
        name: "identification",
        announced: |_| true,
        probes: probes! {
            Both ro "MIDR_EL1";
            Both ro "MPIDR_EL1";
            Both ro "REVIDR_EL1";
            Both ro "AIDR_EL1";
            Both ro "CTR_EL0";
            Both ro "DCZID_EL0";
            Both ro "CLIDR_EL1";
            Both rw "CSSELR_EL1";
            Both ro "CCSIDR_EL1";
            El2 rw "VPIDR_EL2";
            El2 rw "VMPIDR_EL2";
        },
    },
    Feature {
        name: "system control",
        announced: |_| true,
        probes: probes! {
            Both rw "SCTLR_EL1";
            Both ro "ACTLR_EL1";
            Both rw "CPACR_EL1";
            Both rw "TTBR0_EL1";
            Both rw "TTBR1_EL1";
            Both rw "TCR_EL1";
            Both rw "MAIR_EL1";
            Both rw "AMAIR_EL1";
            Both rw "CONTEXTIDR_EL1";
            Both rw "VBAR_EL1";
            Both rw "ESR_EL1";
            Both rw "FAR_EL1";
            Both rw "AFSR0_EL1";
            Both rw "AFSR1_EL1";
            Both rw "PAR_EL1";
            Both ro "ISR_EL1";
            Both rw "TPIDR_EL0";
            Both rw "TPIDRRO_EL0";
            Both rw "TPIDR_EL1";
            El2 rw "SCTLR_EL2";
            El2 ro "ACTLR_EL2";
            El2 rw "HACR_EL2";
            El2 rw "HCR_EL2";
            El2 rw "HSTR_EL2";
            El2 rw "CPTR_EL2";
            El2 rw "TTBR0_EL2";
            El2 rw "TCR_EL2";
            El2 rw "VTTBR_EL2";
            El2 rw "VTCR_EL2";
            El2 rw "MAIR_EL2";
            El2 rw "AMAIR_EL2";
            El2 rw "VBAR_EL2";
            El2 rw "ESR_EL2";
            El2 rw "FAR_EL2";
            El2 rw "HPFAR_EL2";
            El2 rw "TPIDR_EL2";
            El2 rw "SP_EL1";
        },
    },
    Feature {
        name: "AArch32 at EL1",
        announced: |id| id.pfr(0, 4) == 2,
        probes: probes! {
            El2 rw "DACR32_EL2";
            El2 rw "IFSR32_EL2";
            El2 rw "DBGVCR32_EL2";
            El2 rw "FPEXC32_EL2";
        },
    },
    Feature {
        name: "VHE",
        announced: |id| id.mmfr(1, 8) >= 1,
        probes: probes! {
            El2 rw "TTBR1_EL2", "S3_4_C2_C0_1";
            El2 rw "CONTEXTIDR_EL2", "S3_4_C13_C0_1";
            El2 rw "CNTHV_TVAL_EL2", "S3_4_C14_C3_0";
            El2 rw "CNTHV_CTL_EL2", "S3_4_C14_C3_1";
            El2 rw "CNTHV_CVAL_EL2", "S3_4_C14_C3_2";
        },
    },
    Feature {
        name: "NV2",
        announced: |id| id.mmfr(2, 24) >= 2,
        probes: probes! {
            El2 rw "VNCR_EL2", "S3_4_C2_C2_0";
        },
    },
    Feature {
        name: "PSTATE fields: PAN",
        announced: |id| id.mmfr(1, 20) >= 1,
        probes: probes! {
            Both rw "PAN", "S3_0_C4_C2_3";
        },
    },
    Feature {
        name: "PSTATE fields: UAO",
        announced: |id| id.mmfr(2, 4) >= 1,
        probes: probes! {
            Both rw "UAO", "S3_0_C4_C2_4";
        },
    },
    Feature {
        name: "PSTATE fields: DIT",
        announced: |id| id.pfr(0, 48) >= 1,
        probes: probes! {
            Both rw "DIT", "S3_3_C4_C2_5";
        },
    },
    Feature {
        name: "PSTATE fields: SSBS",
        announced: |id| id.pfr(1, 4) >= 2,
        probes: probes! {
            Both rw "SSBS", "S3_3_C4_C2_6";
        },
    },
    Feature {
        name: "PSTATE fields: ALLINT",
        announced: |id| id.pfr(1, 36) >= 1,
        probes: probes! {
            Both rw "ALLINT", "S3_0_C4_C3_0";
        },
    },
    Feature {
        name: "FP and SIMD",
        announced: |id| id.pfr(0, 16) != 0xf,
        probes: probes! {
            Both asm "fmov", ".arch_extension fp", "fmov d0, x0", "fmov x0, d0";
            Both asm "movi", ".arch_extension simd", "movi v0.16b, #0x55", "mov x0, v0.d[0]";
            Both rw "FPCR";
            Both rw "FPSR";
        },
    },
    Feature {
        name: "SVE",
        announced: |id| id.pfr(0, 32) >= 1,
        probes: probes! {
            Both rw "ZCR_EL1", "S3_0_C1_C2_0";
            El2 rw "ZCR_EL2", "S3_4_C1_C2_0";
            Both asm "rdvl", ".arch_extension sve", "rdvl x0, #1";
            Both asm "ptrue", ".arch_extension sve", "ptrue p0.b";
            Both asm "dup", ".arch_extension sve", "mov z0.b, #1";
        },
    },
    Feature {
        name: "SME",
        announced: |id| id.pfr(1, 24) >= 1,
        probes: probes! {
            Both rw "SMCR_EL1", "S3_0_C1_C2_6";
            El2 rw "SMCR_EL2", "S3_4_C1_C2_6";
            Both ro "SMIDR_EL1", "S3_1_C0_C0_6";
            Both rw "SMPRI_EL1", "S3_0_C1_C2_4";
            El2 rw "SMPRIMAP_EL2", "S3_4_C1_C2_5";
            Both rw "TPIDR2_EL0", "S3_3_C13_C0_5";
            Both rw "SVCR", "S3_3_C4_C2_2";
            Both asm "rdsvl", ".arch_extension sme", "rdsvl x0, #1";
            Both asm "smstart, zero, smstop",
                ".arch_extension sme", "smstart", "zero {{za}}", "rdsvl x0, #1", "smstop";
        },
    },
    Feature {
        name: "SME2",
        announced: |id| id.pfr(1, 24) >= 2,
        probes: probes! {
            Both asm "ZT0", ".arch_extension sme2", "smstart za", "zero {{zt0}}", "smstop za";
        },
    },
    Feature {
        name: "SME: all of SIMD in streaming mode",
        announced: |id| id.smfr >> 63 != 0,
        probes: probes! {
            Both asm "aese in streaming mode",
                ".arch_extension aes", ".arch_extension sme", "smstart sm", "aese v0.16b, v1.16b", "smstop sm";
        },
    },
    Feature {
        name: "pointer authentication",
        announced: |id| id.signs_addresses() || id.signs_data(),
        probes: probes! {
            Both rw "APIAKeyLo_EL1", "S3_0_C2_C1_0";
            Both rw "APIAKeyHi_EL1", "S3_0_C2_C1_1";
            Both rw "APIBKeyLo_EL1", "S3_0_C2_C1_2";
            Both rw "APIBKeyHi_EL1", "S3_0_C2_C1_3";
            Both rw "APDAKeyLo_EL1", "S3_0_C2_C2_0";
            Both rw "APDAKeyHi_EL1", "S3_0_C2_C2_1";
            Both rw "APDBKeyLo_EL1", "S3_0_C2_C2_2";
            Both rw "APDBKeyHi_EL1", "S3_0_C2_C2_3";
            Both asm "paciasp, autiasp", "paciasp", "autiasp";
            Both asm "pacibsp, autibsp", "pacibsp", "autibsp";
            Both asm "paciza, autiza", ".arch_extension pauth", "mov x0, #0", "paciza x0", "autiza x0";
            Both asm "pacdzb, autdzb", ".arch_extension pauth", "mov x0, #0", "pacdzb x0", "autdzb x0";
        },
    },
    Feature {
        name: "pointer authentication of data",
        announced: Ids::signs_data,
        probes: probes! {
            Both rw "APGAKeyLo_EL1", "S3_0_C2_C3_0";
            Both rw "APGAKeyHi_EL1", "S3_0_C2_C3_1";
            Both asm "pacga", ".arch_extension pauth", "pacga x0, x0, x0";
        },
    },
    Feature {
        name: "MTE",
        announced: |id| id.pfr(1, 8) >= 1,
        probes: probes! {
            Both rw "TCO", "S3_3_C4_C2_7";
            Both asm "irg, gmi", ".arch_extension memtag", "irg x0, x0", "gmi x0, x0, xzr";
        },
    },
    Feature {
        name: "MTE2",
        announced: |id| id.pfr(1, 8) >= 2,
        probes: probes! {
            Both rw "GCR_EL1", "S3_0_C1_C0_6";
            Both rw "RGSR_EL1", "S3_0_C1_C0_5";
            Both rw "TFSR_EL1", "S3_0_C5_C6_0";
            Both rw "TFSRE0_EL1", "S3_0_C5_C6_1";
            El2 rw "TFSR_EL2", "S3_4_C5_C6_0";
            Both ro "GMID_EL1", "S3_1_C0_C0_4";
            Both asm "ldg", ".arch_extension memtag", "adr x0, .", "ldg x0, [x0]";
            El1 asm "stg", ".arch_extension memtag", "sub x0, sp, #64", "stg x0, [x0]";
            El1 asm "stgm", ".arch_extension memtag", "sub x0, sp, #1024", "stgm xzr, [x0]";
        },
    },
    Feature {
        name: "fine-grained traps",
        announced: |id| id.mmfr(0, 56) >= 1,
        probes: probes! {
            El2 rw "HFGRTR_EL2", "S3_4_C1_C1_4";
            El2 rw "HFGWTR_EL2", "S3_4_C1_C1_5";
            El2 rw "HFGITR_EL2", "S3_4_C1_C1_6";
            El2 rw "HDFGRTR_EL2", "S3_4_C3_C1_4";
            El2 rw "HDFGWTR_EL2", "S3_4_C3_C1_5";
        },
    },
    Feature {
        name: "fine-grained traps of the activity monitors",
        announced: |id| id.mmfr(0, 56) >= 1 && id.pfr(0, 44) >= 1,
        probes: probes! {
            El2 rw "HAFGRTR_EL2", "S3_4_C3_C1_6";
        },
    },
    Feature {
        name: "fine-grained traps 2",
        announced: |id| id.mmfr(0, 56) >= 2,
        probes: probes! {
            El2 rw "HFGRTR2_EL2", "S3_4_C3_C1_2";
            El2 rw "HFGWTR2_EL2", "S3_4_C3_C1_3";
            El2 rw "HFGITR2_EL2", "S3_4_C3_C1_7";
            El2 rw "HDFGRTR2_EL2", "S3_4_C3_C1_0";
            El2 rw "HDFGWTR2_EL2", "S3_4_C3_C1_1";
        },
    },
    Feature {
        name: "HCX",
        announced: |id| id.mmfr(1, 40) >= 1,
        probes: probes! {
            El2 rw "HCRX_EL2", "S3_4_C1_C2_2";
        },
    },
    Feature {
        name: "generic timers",
        announced: |_| true,
        probes: probes! {
            Both ro "CNTFRQ_EL0";
            Both ro "CNTPCT_EL0";
            Both ro "CNTVCT_EL0";
            Both rw "CNTP_CTL_EL0";
            Both rw "CNTP_CVAL_EL0";
            Both rw "CNTP_TVAL_EL0";
            Both rw "CNTV_CTL_EL0";
            Both rw "CNTV_CVAL_EL0";
            Both rw "CNTV_TVAL_EL0";
            Both rw "CNTKCTL_EL1";
            El2 rw "CNTHCTL_EL2";
            El2 rw "CNTVOFF_EL2";
            El2 rw "CNTHP_CTL_EL2";
            El2 rw "CNTHP_CVAL_EL2";
            El2 rw "CNTHP_TVAL_EL2";
        },
    },
    Feature {
        name: "enhanced counter",
        announced: |id| id.mmfr(0, 60) >= 1,
        probes: probes! {
            Both ro "CNTPCTSS_EL0", "S3_3_C14_C0_5";
            Both ro "CNTVCTSS_EL0", "S3_3_C14_C0_6";
        },
    },
    Feature {
        name: "enhanced counter: physical offset",
        announced: |id| id.mmfr(0, 60) >= 2,
        probes: probes! {
            El2 rw "CNTPOFF_EL2", "S3_4_C14_C0_6";
        },
    },
];
