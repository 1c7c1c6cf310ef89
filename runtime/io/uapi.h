/* SPDX-License-Identifier: MIT
 *
 * Kernel constants newer than liburing 2.3 (Debian 12), from linux/io_uring.h of Linux 6.12.
 * Each is used only after its feature bit was seen at start.
 */
#ifndef WEIR_IO_UAPI_H
#define WEIR_IO_UAPI_H

#include <liburing.h>

#ifndef IORING_RECVSEND_BUNDLE
#define IORING_RECVSEND_BUNDLE (1U << 4) /* sqe->ioprio: one completion for several buffers */
#endif
#ifndef IORING_FEAT_RECVSEND_BUNDLE
#define IORING_FEAT_RECVSEND_BUNDLE (1U << 14) /* Linux 6.10 */
#endif

#endif
