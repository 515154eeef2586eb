/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Generated video for programs that use libavformat: a request or a task as an AVIOContext.
 *
 *   VeoStream *stream = veo_stream_new();
 *   AVIOContext *io = NULL;
 *   veo_stream_set(stream, "prompt", "a dog in a park");
 *   if (veo_stream_open(stream, &io) < 0)            // submits, and waits for minutes
 *     fprintf(stderr, "%s\n", veo_stream_error(stream)->message);
 *   ...
 *   format->pb = io;                                 // an MP4, moov first
 *   avformat_open_input(&format, NULL, NULL, NULL);  // bytes come while they are downloaded
 *   ...
 *   avformat_close_input(&format);
 *   veo_stream_free(stream);                         // also frees `io`
 *
 * A task costs credits once. This library, veosrc and `veo` share a ledger and a cache, so each of
 * them finds a task that another one has paid for an equal request. docs/libav.md says more, and
 * docs/money.md says what is paid and when.
 *
 * Threads: one thread at a time uses a stream, except for veo_stream_cancel(). Strings are UTF-8. A
 * function that returns an int returns 0, or one of FFmpeg's negative error numbers (AVERROR).
 *
 * Compile and link by `pkg-config --cflags --libs veo-1.0`.
 */
#ifndef VEO_AV_H
#define VEO_AV_H

#ifdef __cplusplus
extern "C" {
#endif

struct AVIOContext;

/** A request or a task, from its settings to the end of its video. Since: 0.1 */
typedef struct VeoStream VeoStream;

/** A failure. Since: 0.1 */
typedef struct VeoError {
  const char* code; /**< as in docs/veosrc.md: "task-failed", "budget-exceeded", …; "cancelled" */
  const char* message; /**< for people: what happened, to which task, what to do next */
  const char* task_id; /**< "" if no task is known */
  const char* charged; /**< "no", "refunded" or "unknown" */
  int http_status;     /**< of the service's answer; 0: there was none */
} VeoError;

/** The phases of a stream. Since: 0.1 */
typedef enum VeoPhase {
  VEO_PHASE_SUBMIT,   /**< until the service has named the task */
  VEO_PHASE_GENERATE, /**< until the service has completed the task */
  VEO_PHASE_DOWNLOAD
} VeoPhase;

/**
 * Called after each change, on the thread that calls veo_stream_open() or that reads. `task_id` is
 * "" until the id is known, and valid during the call. `percent` is the progress of the phase, or
 * -1. Since: 0.1
 */
typedef void (*VeoProgressFunc)(void* opaque, VeoPhase phase, const char* task_id, int percent);

/** Makes a stream. NULL: there is no memory. Since: 0.1 */
VeoStream* veo_stream_new(void);

/** Ends all waits of the stream, and frees the stream and its AVIOContext. A submitted task goes on
 * at the service, and the next equal request joins the task. NULL is allowed. Since: 0.1 */
void veo_stream_free(VeoStream* stream);

/**
 * Sets an option, before the stream is opened. `name` and `value` are those of veosrc's properties
 * (docs/veosrc.md): "prompt", "mode", "resolution", "task-id" (which never costs anything),
 * "max-credits", "api-key-file", …; "image-urls" adds one URL at each call. The name "uri" takes
 * veo:task/ID or veo:clip?prompt=…. The URI may come from anybody, because it spends no more than
 * VEO_URI_BUDGET.
 *
 * AVERROR(EINVAL): the name is unknown, the value has another form, or the stream is open.
 * Since: 0.1
 */
int veo_stream_set(VeoStream* stream, const char* name, const char* value);

/** Sets the progress function, before the stream is opened. NULL: none. Since: 0.1 */
void veo_stream_set_progress(VeoStream* stream, VeoProgressFunc progress, void* opaque);

/**
 * Joins the task of an equal request, or submits a task, which costs credits. Then waits for the
 * first bytes of the video. A stream can be opened once. `*io` is read-only and seekable, and knows
 * AVSEEK_SIZE. The stream owns `*io`; FFmpeg may replace the buffer of `*io`. With dry-run=true
 * nothing is sent, and `*io` is empty.
 *
 * On failure `*io` is NULL, and veo_stream_error() says more than the number. AVERROR_EXIT: the
 * stream was cancelled. A read of `io` fails in the same ways.
 *
 * Since: 0.1
 */
int veo_stream_open(VeoStream* stream, struct AVIOContext** io);

/** Ends the current read and each later one at once. A submitted task stays paid, and recorded. Any
 * thread may call this at any time while the stream exists, but no signal handler. Since: 0.1 */
void veo_stream_cancel(VeoStream* stream);

/** Returns the last failure, valid until the next call with this stream. NULL: none. Since: 0.1 */
const VeoError* veo_stream_error(const VeoStream* stream);

/** Returns the task's id, valid until the stream is freed. "": not known yet. Since: 0.1 */
const char* veo_stream_task_id(const VeoStream* stream);

#ifdef __cplusplus
}
#endif

#endif
