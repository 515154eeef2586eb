// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoreporter.h"

#include <utility>

#include "gstveopipeline.h"

namespace veo::plugin {

namespace {

// gst-launch-1.0 prints each message. This step gives a message often enough to show that the work
// goes on, and no more.
constexpr int percent_step = 10;

// A person sees the wait soon after the live pipeline plays, and a wait of minutes costs next to
// nothing.
constexpr auto interval_in_live_pipeline = std::chrono::milliseconds(500);

const char* code_of(int step) {
  static const char* const codes[] = {"", "submit", "generate", "download", ""};
  return codes[step];
}

std::string text_of(std::string_view text) { return std::string(text); }

/// Whether the task was submitted before, by this process or by another one.
bool is_joined(const Source::Snapshot& seen) { return seen.reused && !seen.job.task_id.empty(); }

}  // namespace

Reporter::Reporter(GstElement* element, const Options& settings, Setting setting)
    : element_(element),
      mode_(settings.request.mode.value_or(Mode::fast)),
      resolution_(settings.request.resolution.value_or(Resolution::p720)),
      dry_run_(settings.dry_run),
      setting_(setting) {}

void Reporter::update(const Source::Snapshot& seen) {
  // The price is known before all else, and a dry run reports only the price.
  if (!status_) post_task(seen);
  warn(seen);
  if (dry_run_) return;
  if (!must_hold_back()) report_steps(seen);
  if (seen.job.status != status_ || seen.job.task_id != task_id_ || seen.reused != reused_ ||
      seen.file != file_) {
    post_task(seen);
  }
}

void Reporter::report_steps(const Source::Snapshot& seen) {
  switch (seen.job.phase) {
    case Job::Phase::finding:
      break;
    case Job::Phase::submitting:
      advance(Step::submit, seen);
      break;
    case Job::Phase::generating:
      advance(Step::generate, seen);
      post_percent("Generating", seen.job.percent);
      break;
    case Job::Phase::completed:
      advance(Step::download, seen);
      post_percent("Downloading", seen.downloaded);
      break;
    case Job::Phase::failed:
      break;
  }
  post_trouble(seen.job.trouble);
}

bool Reporter::must_hold_back() const {
  if (setting_ == Setting::background || step_ != Step::none) return false;
  return is_live_and_not_playing(element_);
}

std::chrono::milliseconds Reporter::interval() const {
  return must_hold_back() ? interval_in_live_pipeline : std::chrono::milliseconds(0);
}

void Reporter::opening(const Error& trouble) {
  if (must_hold_back()) return;
  if (step_ == Step::none) {
    step_ = Step::submit;
    post_progress(GST_PROGRESS_TYPE_START, "Opening; nothing is sent yet", 0);
  }
  post_trouble(trouble);
}

void Reporter::waiting(const std::string& text) {
  if (step_ != Step::none || must_hold_back()) return;
  step_ = Step::submit;
  post_progress(GST_PROGRESS_TYPE_START, text, 0);
}

void Reporter::warn(const Source::Snapshot& seen) {
  for (; warned_ < seen.notices.size(); ++warned_) {
    GST_ELEMENT_WARNING(element_, RESOURCE, SETTINGS, ("%s", seen.notices[warned_].c_str()),
                        (nullptr));
  }
}

void Reporter::ended(const Source::Snapshot& seen) {
  warn(seen);
  // The file came into the cache while the stream was played.
  if (!dry_run_ && seen.file != file_) post_task(seen);
}

void Reporter::streaming(const Source::Snapshot& seen) { advance(Step::done, seen); }

void Reporter::failed(const Error& error) { end(GST_PROGRESS_TYPE_ERROR, error.message); }

void Reporter::canceled() { end(GST_PROGRESS_TYPE_CANCELED, "Stopped"); }

/// Completes each step from the open one up to `to`, and begins `to`. More than one step may have
/// passed between two snapshots.
void Reporter::advance(Step to, const Source::Snapshot& seen) {
  while (step_ < to) {
    complete(step_, seen);
    step_ = static_cast<Step>(static_cast<int>(step_) + 1);
    if (step_ == Step::submit && is_joined(seen)) step_ = Step::generate;
    begin(step_, seen);
  }
}

void Reporter::begin(Step step, const Source::Snapshot& seen) {
  percent_ = 0;
  switch (step) {
    case Step::submit:
      post_progress(GST_PROGRESS_TYPE_START,
                    "Submitting, for " +
                        (seen.credits ? std::to_string(*seen.credits) + " credits"
                                      : std::string("a price that the catalog does not know")),
                    0);
      break;
    case Step::generate:
      post_progress(GST_PROGRESS_TYPE_START,
                    (is_joined(seen) ? "Joining task " : "Generating task ") + seen.job.task_id, 0);
      break;
    case Step::download:
      post_progress(GST_PROGRESS_TYPE_START, "Opening the video of task " + seen.job.task_id, 0);
      break;
    case Step::none:
    case Step::done:
      break;
  }
}

void Reporter::complete(Step step, const Source::Snapshot& seen) {
  switch (step) {
    case Step::submit:
      post_progress(GST_PROGRESS_TYPE_COMPLETE, "Accepted as task " + seen.job.task_id);
      break;
    case Step::generate:
      post_progress(GST_PROGRESS_TYPE_COMPLETE, "Task " + seen.job.task_id + " is completed");
      break;
    case Step::download:
      post_progress(GST_PROGRESS_TYPE_COMPLETE,
                    "Playing " + std::to_string(seen.size.value_or(0)) +
                        (seen.cached ? " bytes from the cache: the task is already paid, and "
                                       "nothing is spent"
                                     : " bytes as they come"));
      break;
    case Step::none:
    case Step::done:
      break;
  }
}

/// Ends the open step, if there is one. No step begins after this call.
void Reporter::end(GstProgressType type, const std::string& text) {
  if (step_ != Step::none && step_ != Step::done) post_progress(type, text, percent_);
  step_ = Step::done;
}

void Reporter::post_progress(GstProgressType type, const std::string& text, int percent) {
  if (setting_ == Setting::background) return;
  auto* message = gst_message_new_progress(GST_OBJECT(element_), type,
                                           code_of(static_cast<int>(step_)), text.c_str());
  gst_structure_set(gst_message_writable_structure(message), "percent", G_TYPE_INT, percent,
                    nullptr);
  gst_element_post_message(element_, message);
}

void Reporter::post_percent(const char* text, std::optional<int> percent) {
  if (!percent || *percent < percent_ + percent_step) return;
  percent_ = *percent;
  post_progress(GST_PROGRESS_TYPE_CONTINUE, text + (", " + std::to_string(percent_)) + " %",
                percent_);
}

void Reporter::post_trouble(const std::optional<Error>& trouble) {
  if (std::string text = trouble ? trouble->message : ""; text != trouble_) {
    trouble_ = std::move(text);
    if (trouble_.empty() || step_ == Step::done) return;
    // After a trouble with a file the library waits. After any other trouble it asks the service
    // again.
    const bool is_store = trouble->code == ErrorCode::ledger || trouble->code == ErrorCode::cache;
    post_progress(GST_PROGRESS_TYPE_CONTINUE,
                  (is_store ? "Waiting: " : "Trying again: ") + trouble_, percent_);
  }
}

void Reporter::post_task(const Source::Snapshot& seen) {
  const bool has_new_status = seen.job.status != status_.value_or(TaskStatus::none);
  const bool has_new_id = seen.job.task_id != task_id_;
  status_ = seen.job.status;
  task_id_ = seen.job.task_id;
  reused_ = seen.reused;
  file_ = seen.file;
  auto* task =
      gst_structure_new("veo-task",                                                            //
                        "task-id", G_TYPE_STRING, task_id_.c_str(),                            //
                        "status", G_TYPE_STRING, text_of(nick(*status_)).c_str(),              //
                        "mode", G_TYPE_STRING, text_of(wire_name(mode_)).c_str(),              //
                        "resolution", G_TYPE_STRING, text_of(wire_name(resolution_)).c_str(),  //
                        "reused", G_TYPE_BOOLEAN, reused_ ? TRUE : FALSE,                      //
                        nullptr);
  if (seen.credits) gst_structure_set(task, "credits", G_TYPE_UINT, *seen.credits, nullptr);
  // A GstStructure takes no text that is not UTF-8, and a path may be any bytes.
  if (!file_.empty() && g_utf8_validate(file_.c_str(), -1, nullptr) != FALSE) {
    gst_structure_set(task, "file", G_TYPE_STRING, file_.c_str(), nullptr);
  }
  gst_element_post_message(element_, gst_message_new_element(GST_OBJECT(element_), task));
  if (has_new_id) g_object_notify(G_OBJECT(element_), "task-id");
  if (has_new_status) g_object_notify(G_OBJECT(element_), "status");
}

}  // namespace veo::plugin
