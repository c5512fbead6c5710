/** How much a file may hold: enough for samples of hundreds of megabytes, and an end for what claims to be more. */

/** Bytes of a file that a model names. */
export const largestFile = 2 ** 30;

/** Bytes that come out of a compressed file, or a pipe. */
export const largestUnpacked = 2 ** 30;
