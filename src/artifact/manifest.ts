/** What `manifest.json` says; docs/artifact.md has an example. */
import type { Roundings } from '../judge/roundings.ts';
import type { Warning } from '../judge/warnings/warning.ts';

/** How a program stores an input or output. Without a scale: no grid, as of float32. */
export interface ManifestPort {
  /** The model's. */
  readonly name: string;
  readonly tensor: string;
  readonly type: 'uint8' | 'int8' | 'uint16' | 'int16' | 'int32' | 'float32';
  /** Elements. */
  readonly count: number;
  readonly shape: readonly number[];
  /** real = (stored - zeroPoint) * scale; one number, or one for each channel. */
  readonly scale?: number | readonly number[];
  readonly zeroPoint?: number | readonly number[];
}

/** The distance of numbers from the float network's. */
export interface ManifestDistance {
  /** Signal to noise in dB; null where it is not finite. */
  readonly sqnr: number | null;
  /** Whether nothing differs. */
  readonly exact: boolean;
  /** The largest error, in units of the tensor. */
  readonly worst: number;
}

/** A kernel of the C. */
export interface ManifestLayer {
  readonly kernel: string;
  /** Names of the model's nodes that it computes. */
  readonly origin: readonly string[];
  /** Multiply-accumulates of an inference. */
  readonly macs: number;
  readonly tableBytes: number;
  readonly output: string;
  readonly shape: readonly number[];
  /** Why the weights are stored as they are. */
  readonly why?: string;
  /**
   * Which forms the C has beside or in place of the kernel as it was built: with two weights a product, and for Helium,
   * DSP instructions, Armv6-M and RV32I. Each was proved for all inputs.
   */
  readonly forms?: readonly ('packed' | 'mve' | 'dsp' | 'v6m' | 'rv32')[];
  /** Real values of one stored step, over the output channels. */
  readonly weights?: {
    readonly smallestStep: number;
    readonly largestStep: number;
    /** The share of nonzero weights that the given model has beyond what can be stored, 0 to 1. */
    readonly clipped: number;
  };
}

/** The agreement of an int8 program with the float network, on samples. */
export interface ManifestAgreement {
  readonly text: string;
  readonly samples: number;
  /** Whether the samples had no part in calibration. */
  readonly heldBack: boolean;
  readonly calibration: {
    readonly count: number;
    readonly distinct: number;
    readonly zeros: number;
    readonly constant: number;
    readonly odd: string | null;
  };
  /** Of all outputs, in dB; null without noise or signal. */
  readonly sqnr: number | null;
  readonly worst: { readonly kernel: string; readonly sqnr: number | null };
  readonly sameClass: { readonly hits: number; readonly total: number } | null;
  readonly outputs?: readonly { readonly name: string; readonly sqnr: number | null }[];
  readonly layers: readonly (ManifestDistance & {
    readonly kernel: string;
    readonly tensor: string;
    /** From the model that was given, where its weights were pruned, rounded or trained. */
    readonly given: ManifestDistance | null;
  })[];
}

/** `manifest.json`: what a build is, and the hash of every file of it. */
export interface Manifest {
  readonly generator: 'thimble';
  readonly format: 2;
  /** Of thimble. */
  readonly version: string;
  /** The command line. */
  readonly command: string;
  /** The model's file. */
  readonly model: { readonly sha256: string; readonly bytes: number };
  /** Of a model that is a file of weights: the file of its network. */
  readonly arch?: { readonly sha256: string; readonly bytes: number };
  /** What names in the C begin with. */
  readonly name: string;
  readonly arith: 'int8' | 'float32';
  readonly requant?: string;
  readonly calibration?: { readonly method: string; readonly samples: number };
  /** Of a quantized model: how many activations have the scales of its file, and the names of others. */
  readonly scales?: {
    readonly file: number;
    readonly calibrated: readonly string[];
    readonly rounded: readonly string[];
    /** Layers that onnxruntime computes otherwise on a CPU with AVX2 and without VNNI. */
    readonly cut?: readonly string[];
  };
  readonly portOrder?: 'model';
  /** What stays float32 in an int8 program. */
  readonly floatParts?: readonly {
    readonly node: string;
    readonly kind: string;
    readonly origin: readonly string[];
    readonly reason: string;
  }[];
  /** `raw`: it takes pixels 0 to 255, and the model's numbers are (pixel - mean) / std. */
  readonly inputs: readonly (ManifestPort & {
    readonly raw?: { readonly mean: readonly number[]; readonly std: readonly number[] };
  })[];
  readonly outputs: readonly ManifestPort[];
  readonly memory: {
    readonly strategy: string;
    readonly arenaBytes: number;
    /** No plan takes fewer bytes. */
    readonly lowerBound: number;
    readonly slots: readonly {
      readonly name: string;
      readonly address: number;
      readonly bytes: number;
      /** In use from this step to the last one, both counted: -1 is an input, the number of steps the caller. */
      readonly firstStep: number;
      readonly lastStep: number;
    }[];
  };
  readonly layers: readonly ManifestLayer[];
  readonly totals: { readonly macs: number; readonly tableBytes: number };
  readonly preprocessing: {
    readonly normalize?: { readonly mean: readonly number[]; readonly std: readonly number[] };
    readonly pad?: number;
    readonly resize?: { readonly height: number; readonly width: number };
  };
  /** Held-out samples that the float model and the build get right. */
  readonly accuracy?: {
    readonly samples: number;
    /** Whether right is by labels; else it is the float model's answer. */
    readonly labelled: boolean;
    readonly float: number;
    readonly compiled: number;
  };
  readonly agreement?: ManifestAgreement;
  /** Of a quantized model: what its requantization makes other than ort-float. */
  readonly roundings?: Roundings;
  readonly warnings?: readonly {
    readonly kind: Warning['kind'];
    readonly kernel: string | null;
    readonly nodes: readonly string[];
    readonly tensor: string | null;
    readonly channels: readonly number[];
    readonly sqnr: number | null;
    readonly text: string;
    readonly todo: string;
  }[];
  /** Names of all files, this one apart. */
  readonly files: readonly string[];
  /** Hashes of the files, in hexadecimal. */
  readonly sha256: Readonly<Record<string, string>>;
  /** Of each field but `version` and `command`: the first 16 hex digits of the SHA-256 of its JSON without spaces. */
  readonly seal: Readonly<Record<string, string>>;
}
