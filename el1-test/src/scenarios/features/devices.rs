//! What is around the core, as far as system registers reach it (DDI0487, D24; IHI0069, 12): interrupt controller, debug,
//! trace, counters, error records, partitions; and the newer controls of the translation.
//!
//! Registers have their number where the assembler may not know the name.

use super::probe::{Feature, Levels, Probe};

/// The features.
pub const FEATURES: &[Feature] = &[
    Feature {
        name: "GICv3 CPU interface",
        announced: |id| id.pfr(0, 24) >= 1,
        probes: probes! {
            Both rw "ICC_SRE_EL1", "S3_0_C12_C12_5";
            Both rw "ICC_CTLR_EL1", "S3_0_C12_C12_4";
            Both rw "ICC_PMR_EL1", "S3_0_C4_C6_0";
            Both rw "ICC_BPR1_EL1", "S3_0_C12_C12_3";
            Both rw "ICC_IGRPEN1_EL1", "S3_0_C12_C12_7";
            Both rw "ICC_AP1R0_EL1", "S3_0_C12_C9_0";
            Both ro "ICC_RPR_EL1", "S3_0_C12_C11_3";
            Both ro "ICC_HPPIR1_EL1", "S3_0_C12_C12_2";
            Both asm "ICC_EOIR1_EL1", "mov x0, #1023", "msr S3_0_C12_C12_1, x0";
            Both wo "ICC_SGI1R_EL1", "S3_0_C12_C11_5";
            Both wo "ICC_ASGI1R_EL1", "S3_0_C12_C11_6";
            El2 rw "ICC_SRE_EL2", "S3_4_C12_C9_5";
            El2 rw "ICH_HCR_EL2", "S3_4_C12_C11_0";
            El2 ro "ICH_VTR_EL2", "S3_4_C12_C11_1";
            El2 ro "ICH_MISR_EL2", "S3_4_C12_C11_2";
            El2 ro "ICH_EISR_EL2", "S3_4_C12_C11_3";
            El2 ro "ICH_ELRSR_EL2", "S3_4_C12_C11_5";
            El2 rw "ICH_VMCR_EL2", "S3_4_C12_C11_7";
            El2 rw "ICH_LR0_EL2", "S3_4_C12_C12_0";
            El2 rw "ICH_AP0R0_EL2", "S3_4_C12_C8_0";
            El2 rw "ICH_AP1R0_EL2", "S3_4_C12_C9_0";
        },
    },
    // Without DBGDTR_EL0, DBGPRCR_EL1 and DBGAUTHSTATUS_EL1: QEMU 10 does not have them.
    Feature {
        name: "debug",
        announced: |id| id.dfr(0, 0) >= 6,
        probes: probes! {
            Both wo "OSLAR_EL1";
            Both ro "OSLSR_EL1";
            Both rw "OSDLR_EL1";
            Both rw "MDSCR_EL1";
            Both rw "MDCCINT_EL1";
            Both ro "MDCCSR_EL0";
            Both rw "OSDTRRX_EL1";
            Both rw "OSDTRTX_EL1";
            Both rw "OSECCR_EL1";
            Both ro "MDRAR_EL1";
            Both rw "DBGBVR0_EL1";
            Both rw "DBGBCR0_EL1";
            Both rw "DBGWVR0_EL1";
            Both rw "DBGWCR0_EL1";
            Both rw "DBGCLAIMSET_EL1";
            Both rw "DBGCLAIMCLR_EL1";
            El2 rw "MDCR_EL2";
        },
    },
    Feature {
        name: "debug: many breakpoints",
        announced: |id| id.dfr(0, 0) >= 11,
        probes: probes! {
            Both rw "MDSELR_EL1", "S2_0_C0_C4_2";
        },
    },
    Feature {
        name: "PMU",
        announced: |id| id.has_pmu(1),
        probes: probes! {
            Both rw "PMCR_EL0";
            Both rw "PMCNTENSET_EL0";
            Both rw "PMCNTENCLR_EL0";
            Both rw "PMOVSCLR_EL0";
            Both rw "PMOVSSET_EL0";
            Both rw "PMSELR_EL0";
            Both wo "PMSWINC_EL0";
            Both ro "PMCEID0_EL0";
            Both ro "PMCEID1_EL0";
            Both rw "PMCCNTR_EL0";
            Both rw "PMCCFILTR_EL0";
            Both rw "PMUSERENR_EL0";
            Both rw "PMINTENSET_EL1";
            Both rw "PMINTENCLR_EL1";
        },
    },
    Feature {
        name: "PMU: event counters",
        announced: |id| id.event_counters >= 1,
        probes: probes! {
            Both rw "PMEVCNTR0_EL0";
            Both rw "PMEVTYPER0_EL0";
            Both asm "PMXEVTYPER_EL0", "msr PMSELR_EL0, xzr", "isb", "mrs x0, PMXEVTYPER_EL0";
            Both asm "PMXEVCNTR_EL0", "mrs x0, PMXEVCNTR_EL0";
        },
    },
    Feature {
        name: "PMUv3p4",
        announced: |id| id.has_pmu(5),
        probes: probes! {
            Both ro "PMMIR_EL1", "S3_0_C9_C14_6";
        },
    },
    Feature {
        name: "PMUv3p9",
        announced: |id| id.has_pmu(9),
        probes: probes! {
            Both rw "PMUACR_EL1", "S3_0_C9_C14_4";
        },
    },
    Feature {
        name: "PMU: instruction counter",
        announced: |id| id.dfr(1, 36) >= 1,
        probes: probes! {
            Both rw "PMICNTR_EL0", "S3_3_C9_C4_0";
            Both rw "PMICFILTR_EL0", "S3_3_C9_C6_0";
        },
    },
    Feature {
        name: "statistical profiling",
        announced: |id| id.dfr(0, 32) >= 1,
        probes: probes! {
            Both rw "PMSCR_EL1", "S3_0_C9_C9_0";
            Both rw "PMSICR_EL1", "S3_0_C9_C9_2";
            Both rw "PMSIRR_EL1", "S3_0_C9_C9_3";
            Both rw "PMSFCR_EL1", "S3_0_C9_C9_4";
            Both rw "PMSEVFR_EL1", "S3_0_C9_C9_5";
            Both rw "PMSLATFR_EL1", "S3_0_C9_C9_6";
            Both ro "PMSIDR_EL1", "S3_0_C9_C9_7";
            Both rw "PMBLIMITR_EL1", "S3_0_C9_C10_0";
            Both rw "PMBPTR_EL1", "S3_0_C9_C10_1";
            Both rw "PMBSR_EL1", "S3_0_C9_C10_3";
            Both ro "PMBIDR_EL1", "S3_0_C9_C10_7";
            El2 rw "PMSCR_EL2", "S3_4_C9_C9_0";
        },
    },
    Feature {
        name: "statistical profiling v1.2",
        announced: |id| id.dfr(0, 32) >= 3,
        probes: probes! {
            Both rw "PMSNEVFR_EL1", "S3_0_C9_C9_1";
        },
    },
    Feature {
        name: "trace unit",
        announced: |id| id.dfr(0, 4) >= 1,
        probes: probes! {
            Both ro "TRCIDR1", "S2_1_C0_C9_7";
            Both ro "TRCOSLSR", "S2_1_C1_C1_4";
        },
    },
    Feature {
        name: "trace filter",
        announced: |id| id.dfr(0, 40) >= 1,
        probes: probes! {
            Both rw "TRFCR_EL1", "S3_0_C1_C2_1";
            El2 rw "TRFCR_EL2", "S3_4_C1_C2_1";
        },
    },
    Feature {
        name: "trace buffer",
        announced: |id| id.dfr(0, 44) >= 1,
        probes: probes! {
            Both rw "TRBLIMITR_EL1", "S3_0_C9_C11_0";
            Both rw "TRBPTR_EL1", "S3_0_C9_C11_1";
            Both rw "TRBBASER_EL1", "S3_0_C9_C11_2";
            Both rw "TRBSR_EL1", "S3_0_C9_C11_3";
            Both rw "TRBMAR_EL1", "S3_0_C9_C11_4";
            Both rw "TRBTRG_EL1", "S3_0_C9_C11_6";
            Both ro "TRBIDR_EL1", "S3_0_C9_C11_7";
        },
    },
    Feature {
        name: "branch records",
        announced: |id| id.dfr(0, 52) >= 1,
        probes: probes! {
            Both rw "BRBCR_EL1", "S2_1_C9_C0_0";
            Both rw "BRBFCR_EL1", "S2_1_C9_C0_1";
            Both rw "BRBTS_EL1", "S2_1_C9_C0_2";
            Both ro "BRBIDR0_EL1", "S2_1_C9_C2_0";
            Both ro "BRBSRC0_EL1", "S2_1_C8_C0_1";
            El2 rw "BRBCR_EL2", "S2_4_C9_C0_0";
        },
    },
    Feature {
        name: "activity monitors",
        announced: |id| id.pfr(0, 44) >= 1,
        probes: probes! {
            Both ro "AMCR_EL0", "S3_3_C13_C2_0";
            Both ro "AMCFGR_EL0", "S3_3_C13_C2_1";
            Both ro "AMCGCR_EL0", "S3_3_C13_C2_2";
            Both rw "AMUSERENR_EL0", "S3_3_C13_C2_3";
            Both ro "AMCNTENSET0_EL0", "S3_3_C13_C2_5";
            Both ro "AMEVCNTR00_EL0", "S3_3_C13_C4_0";
            Both ro "AMEVTYPER00_EL0", "S3_3_C13_C6_0";
        },
    },
    Feature {
        name: "activity monitors v1.1",
        announced: |id| id.pfr(0, 44) >= 2,
        probes: probes! {
            Both ro "AMCG1IDR_EL0", "S3_3_C13_C2_6";
            El2 rw "AMEVCNTVOFF00_EL2", "S3_4_C13_C8_0";
        },
    },
    Feature {
        name: "error records",
        announced: |id| id.pfr(0, 28) >= 1,
        probes: probes! {
            Both ro "ERRIDR_EL1", "S3_0_C5_C3_0";
            Both rw "DISR_EL1", "S3_0_C12_C1_1";
            El2 rw "VDISR_EL2", "S3_4_C12_C1_1";
            El2 rw "VSESR_EL2", "S3_4_C5_C2_3";
        },
    },
    Feature {
        name: "error records: the first",
        announced: |id| id.error_records >= 1,
        probes: probes! {
            Both wo "ERRSELR_EL1", "S3_0_C5_C3_1";
            Both ro "ERXFR_EL1", "S3_0_C5_C4_0";
            Both rw "ERXCTLR_EL1", "S3_0_C5_C4_1";
            Both ro "ERXSTATUS_EL1", "S3_0_C5_C4_2";
        },
    },
    Feature {
        name: "MPAM",
        announced: |id| id.has_mpam(),
        probes: probes! {
            Both rw "MPAM1_EL1", "S3_0_C10_C5_0";
            Both rw "MPAM0_EL1", "S3_0_C10_C5_1";
            Both ro "MPAMIDR_EL1", "S3_0_C10_C4_4";
            El2 rw "MPAM2_EL2", "S3_4_C10_C5_0";
        },
    },
    Feature {
        name: "MPAM: virtual partitions",
        announced: |id| id.mpamidr >> 17 & 1 != 0,
        probes: probes! {
            El2 rw "MPAMHCR_EL2", "S3_4_C10_C4_0";
            El2 rw "MPAMVPMV_EL2", "S3_4_C10_C4_1";
            El2 rw "MPAMVPM0_EL2", "S3_4_C10_C6_0";
        },
    },
    Feature {
        name: "limited ordering regions",
        announced: |id| id.mmfr(1, 16) >= 1,
        probes: probes! {
            Both rw "LORSA_EL1", "S3_0_C10_C4_0";
            Both rw "LOREA_EL1", "S3_0_C10_C4_1";
            Both rw "LORN_EL1", "S3_0_C10_C4_2";
            Both rw "LORC_EL1", "S3_0_C10_C4_3";
            Both ro "LORID_EL1", "S3_0_C10_C4_7";
        },
    },
    Feature {
        name: "random numbers",
        announced: |id| id.isar(0, 60) >= 1,
        probes: probes! {
            Both ro "RNDR", "S3_3_C2_C4_0";
            Both ro "RNDRRS", "S3_3_C2_C4_1";
        },
    },
    Feature {
        name: "software context numbers",
        announced: |id| id.pfr(0, 56) >= 2 || id.pfr(1, 32) >= 2,
        probes: probes! {
            Both rw "SCXTNUM_EL0", "S3_3_C13_C0_7";
            Both rw "SCXTNUM_EL1", "S3_0_C13_C0_7";
            El2 rw "SCXTNUM_EL2", "S3_4_C13_C0_7";
        },
    },
    Feature {
        name: "64-byte stores with ACCDATA",
        announced: |id| id.isar(1, 60) >= 3,
        probes: probes! {
            Both rw "ACCDATA_EL1", "S3_0_C13_C0_5";
        },
    },
    Feature {
        name: "guarded control stacks",
        announced: |id| id.pfr(1, 44) >= 1,
        probes: probes! {
            Both rw "GCSCR_EL1", "S3_0_C2_C5_0";
            Both rw "GCSPR_EL1", "S3_0_C2_C5_1";
            Both rw "GCSCRE0_EL1", "S3_0_C2_C5_2";
            Both rw "GCSPR_EL0", "S3_3_C2_C5_1";
            El2 rw "GCSCR_EL2", "S3_4_C2_C5_0";
            El2 rw "GCSPR_EL2", "S3_4_C2_C5_1";
        },
    },
    Feature {
        name: "FP8 mode",
        announced: |id| id.pfr(2, 32) >= 1,
        probes: probes! {
            Both rw "FPMR", "S3_3_C4_C4_2";
        },
    },
    Feature {
        name: "TCR2",
        announced: |id| id.mmfr(3, 0) >= 1,
        probes: probes! {
            Both rw "TCR2_EL1", "S3_0_C2_C0_3";
            El2 rw "TCR2_EL2", "S3_4_C2_C0_3";
        },
    },
    Feature {
        name: "SCTLR2",
        announced: |id| id.mmfr(3, 4) >= 1,
        probes: probes! {
            Both rw "SCTLR2_EL1", "S3_0_C1_C0_3";
            El2 rw "SCTLR2_EL2", "S3_4_C1_C0_3";
        },
    },
    Feature {
        name: "stage 1 permission indirection",
        announced: |id| id.mmfr(3, 8) >= 1,
        probes: probes! {
            Both rw "PIRE0_EL1", "S3_0_C10_C2_2";
            Both rw "PIR_EL1", "S3_0_C10_C2_3";
            El2 rw "PIRE0_EL2", "S3_4_C10_C2_2";
            El2 rw "PIR_EL2", "S3_4_C10_C2_3";
        },
    },
    Feature {
        name: "stage 2 permission indirection",
        announced: |id| id.mmfr(3, 12) >= 1,
        probes: probes! {
            El2 rw "S2PIR_EL2", "S3_4_C10_C2_5";
        },
    },
    Feature {
        name: "stage 1 permission overlays",
        announced: |id| id.mmfr(3, 16) >= 1,
        probes: probes! {
            Both rw "POR_EL0", "S3_3_C10_C2_4";
            Both rw "POR_EL1", "S3_0_C10_C2_4";
            El2 rw "POR_EL2", "S3_4_C10_C2_4";
        },
    },
    Feature {
        name: "stage 2 permission overlays",
        announced: |id| id.mmfr(3, 20) >= 1,
        probes: probes! {
            Both rw "S2POR_EL1", "S3_0_C10_C2_5";
        },
    },
    Feature {
        name: "attribute index extension",
        announced: |id| id.mmfr(3, 24) >= 1,
        probes: probes! {
            Both rw "MAIR2_EL1", "S3_0_C10_C2_1";
            Both rw "AMAIR2_EL1", "S3_0_C10_C3_1";
            El2 rw "MAIR2_EL2", "S3_4_C10_C1_1";
            El2 rw "AMAIR2_EL2", "S3_4_C10_C3_1";
        },
    },
    Feature {
        name: "translation hardening",
        announced: |id| id.pfr(1, 48) >= 1,
        probes: probes! {
            Both rw "RCWMASK_EL1", "S3_0_C13_C0_6";
            Both rw "RCWSMASK_EL1", "S3_0_C13_C0_3";
        },
    },
    Feature {
        name: "physical fault address",
        announced: |id| id.pfr(1, 60) >= 1,
        probes: probes! {
            Both rw "PFAR_EL1", "S3_0_C6_C0_5";
            El2 rw "PFAR_EL2", "S3_4_C6_C0_5";
        },
    },
];
