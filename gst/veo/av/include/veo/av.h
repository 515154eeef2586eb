/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Generated video for programs that use libavformat: a request, or a task, as an AVIOContext.
 *
 *   VeoStream *stream = veo_stream_new();
 *   AVIOContext *io = NULL;
 *   veo_stream_set(stream, "prompt", "a dog in a park");
 *   if (veo_stream_open(stream, &io) < 0)            // submits, waits; minutes
 *     fprintf(stderr, "%s\n", veo_stream_error(stream)->message);
 *   ...
 *   format->pb = io;                                 // an MP4, moov first
 *   avformat_open_input(&format, NULL, NULL, NULL);  // bytes come while they are downloaded
 *   ...
 *   avformat_close_input(&format);
 *   veo_stream_free(stream);                         // and with it `io`
 *
 * A task costs credits once: what was paid for an equal request, here, by veosrc or by `veo`, is
 * found in the record and the cache that they share. docs/libav.md says more; what is paid and
 * when, docs/money.md.
 *
 * Threads: a stream is used by one thread at a time, but for veo_stream_cancel(). Strings are
 * UTF-8. What returns an int returns 0, or one of FFmpeg's negative error numbers (AVERROR).
 *
 * Compile and link by `pkg-config --cflags --libs veo-1.0`.
 */
#ifndef VEO_AV_H
#define VEO_AV_H

#ifdef __cplusplus
extern "C" {
#endif

struct AVIOContext;

/** A request or a task, before, while and after it is opened. Since: 0.1 */
typedef struct VeoStream VeoStream;

/** What failed. Since: 0.1 */
typedef struct VeoError {
  const char* code; /**< as in docs/veosrc.md: "task-failed", "budget-exceeded", …; "cancelled" */
  const char* message; /**< for people: what happened, to which task, what to do next */
  const char* task_id; /**< "" where none is known */
  const char* charged; /**< "no", "refunded" or "unknown" */
  int http_status;     /**< of the service; 0: none was seen */
} VeoError;

/** Where it is. Since: 0.1 */
typedef enum VeoPhase {
  VEO_PHASE_SUBMIT,   /**< until the service has named the task */
  VEO_PHASE_GENERATE, /**< until the service has completed it */
  VEO_PHASE_DOWNLOAD
} VeoPhase;

/**
 * Called where something has changed, on the thread that is in veo_stream_open(), or reads.
 * `task_id`: "" where it is not known yet; valid during the call. `percent`: of the phase, or -1.
 * Since: 0.1
 */
typedef void (*VeoProgressFunc)(void* opaque, VeoPhase phase, const char* task_id, int percent);

/** NULL: there is no memory. Since: 0.1 */
VeoStream* veo_stream_new(void);

/** Ends what it still waits for, and frees it and its AVIOContext. A task that was submitted goes
 * on at the service, and is joined by the next equal request. NULL is allowed. Since: 0.1 */
void veo_stream_free(VeoStream* stream);

/**
 * Before it is opened. `name` and `value`: those of veosrc's properties (docs/veosrc.md): "prompt",
 * "mode", "resolution", "task-id" (which never costs anything), "max-credits", "api-key-file", …;
 * "image-urls" adds one URL each time. Or "uri": veo:task/ID or veo:clip?prompt=…, from whoever it
 * may be: it spends within VEO_URI_BUDGET.
 *
 * AVERROR(EINVAL): there is no such name, or the value is not of its form, or it is open.
 * Since: 0.1
 */
int veo_stream_set(VeoStream* stream, const char* name, const char* value);

/** Before it is opened. NULL: none. Since: 0.1 */
void veo_stream_set_progress(VeoStream* stream, VeoProgressFunc progress, void* opaque);

/**
 * Joins the task of an equal request, or submits it, which costs credits, and waits for its video's
 * first bytes. Once. `*io`: read-only, seekable, with AVSEEK_SIZE; owned by the stream; its buffer
 * may be replaced, as FFmpeg does. With dry-run=true nothing is sent, and `*io` is empty.
 *
 * On failure `*io` is NULL, and veo_stream_error() says more than the number. AVERROR_EXIT: it was
 * cancelled. A read of `io` fails in the same ways.
 *
 * Since: 0.1
 */
int veo_stream_open(VeoStream* stream, struct AVIOContext** io);

/** Any thread, any time while the stream exists; not from a signal handler. Ends the read under
 * way, and each later one, at once. What was submitted stays paid, and recorded. Since: 0.1 */
void veo_stream_cancel(VeoStream* stream);

/** What failed last, until the next call with this stream; NULL: nothing. Since: 0.1 */
const VeoError* veo_stream_error(const VeoStream* stream);

/** "" while it is not known; valid until the stream is freed. Since: 0.1 */
const char* veo_stream_task_id(const VeoStream* stream);

#ifdef __cplusplus
}
#endif

#endif
