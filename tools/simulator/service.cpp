// SPDX-License-Identifier: LGPL-2.1-or-later
#include "service.h"

#include <algorithm>
#include <array>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "api_errors.h"

namespace simulator {
namespace {

constexpr std::string_view upstream_prefix = "upstream-";

/// The size in landscape and the bitrate of the video, about as in Veo's files.
struct Format {
  unsigned width;
  unsigned height;
  unsigned bitrate;
};
const std::map<std::string_view, Format> formats = {
    {"720p", {1280, 720, 2000}}, {"1080p", {1920, 1080, 4000}}, {"4k", {3840, 2160, 12000}}};

std::shared_future<Clip> read_clip(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file || bytes.empty()) throw std::runtime_error("cannot read the clip " + path);
  std::promise<Clip> promise;
  const auto hash = compute_sha256(bytes);
  promise.set_value({std::make_shared<const std::string>(std::move(bytes)), hash});
  return promise.get_future().share();
}

bool ready(const std::shared_future<Clip>& clip) {
  return clip.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

/// Makes a path like those of the service: `/videos/2026/04/02/1b4e….mp4`.
std::string path_of(const std::string& id, std::time_t time) {
  std::tm utc{};
  gmtime_r(&time, &utc);
  std::array<char, 32> day{};
  std::strftime(day.data(), day.size(), "/videos/%Y/%m/%d/", &utc);
  std::string name = id;
  std::erase(name, '-');
  return day.data() + name + ".mp4";
}

}  // namespace

Service::Service(const Options& options, std::string file_origin, FaultPlan& faults, Stop& stop)
    : options_(options),
      file_origin_(std::move(file_origin)),
      faults_(faults),
      stop_(stop),
      callbacks_(faults, stop),
      balance_(options.credits) {
  for (const auto& path : options_.clips) given_clips_.push_back(read_clip(path));
  if (given_clips_.empty()) {
    worker_.emplace(stop_, [this] {
      const std::lock_guard lock(mutex_);
      changed_.notify_all();
    });
  }
  thread_ = std::thread([this] { run(); });
}

Service::~Service() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

std::string Service::create(const Generation& generation) {
  const auto effects = faults_.take_effects(Phase::task);
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  settle(now);

  Task task;
  task.request = generation;
  unsigned first_frame = 0;
  if (!generation.extend_task_id.empty()) {
    const Task* parent = find(generation.extend_task_id);
    if (parent == nullptr) throw ApiError("task_not_found");
    if (parent->status != Status::completed)
      throw ApiError("invalid_request", "The task to extend is not completed.");
    task.request.resolution = parent->request.resolution;
    task.request.aspect_ratio = parent->request.aspect_ratio;
    task.scenes = parent->scenes;
    first_frame = parent->scenes.back().first_frame + parent->scenes.back().frames;
  }
  if (balance_ < generation.credits) throw ApiError("insufficient_credits");
  balance_ -= generation.credits;

  const bool has_given_id = tasks_.size() < options_.task_ids.size();
  task.id = has_given_id ? options_.task_ids[tasks_.size()]
                         : to_string(boost::uuids::random_generator()());
  task.created = now;
  task.due = now + options_.generation_time;
  if (const auto* slow = effects.find(Kind::slow))
    task.due += std::chrono::milliseconds(slow->number);
  if (effects.has(Kind::failed)) task.failure = "upstream_error";
  if (const auto* failed = effects.find(Kind::failed_code)) task.failure = failed->text;
  task.created_at = std::time(nullptr);
  // An id of --task-id may be any text, so it cannot be a part of a path.
  task.path = path_of(has_given_id ? compute_sha256(task.id) : task.id, task.created_at);
  task.scenes.push_back({task.id, generation.prompt, first_frame, options_.frames});
  if (task.failure.empty()) {
    task.clip = worker_ ? worker_->make(plan_clip(task))
                        : given_clips_[std::min(tasks_.size(), given_clips_.size() - 1)];
  }
  tasks_.push_back(std::move(task));
  changed_.notify_all();
  return tasks_.back().id;
}

Json Service::describe_task(const std::string& id) {
  const std::lock_guard lock(mutex_);
  settle(Clock::now());
  const Task* task = find(id);
  if (task == nullptr) throw ApiError("task_not_found");
  return describe(*task);
}

std::int64_t Service::balance() const {
  const std::lock_guard lock(mutex_);
  return balance_;
}

Json Service::describe_state() {
  const std::lock_guard lock(mutex_);
  settle(Clock::now());
  Json tasks = Json::array();
  for (const auto& task : tasks_) {
    auto one = describe(task);
    one["prompt"] = task.request.prompt;
    one["credits"] = task.request.credits;
    if (task.status == Status::completed) {
      one["size"] = task.clip.get().bytes->size();
      one["sha256"] = task.clip.get().sha256;
    }
    tasks.push_back(std::move(one));
  }
  return {{"charges", tasks_.size()},
          {"refunds", refunds_},
          {"balance", balance_},
          {"callbacks_delivered", callbacks_.count_delivered()},
          {"tasks", std::move(tasks)}};
}

std::optional<Service::File> Service::find_file(const std::string& path) {
  const std::lock_guard lock(mutex_);
  settle(Clock::now());
  for (const auto& task : tasks_) {
    if (task.path == path && task.status == Status::completed)
      return File{task.clip.get(), task.ended_at};
  }
  return std::nullopt;
}

const Service::Task* Service::find(const std::string& id) const {
  // A task can be extended by either of its ids. Only the fault `upstream-id` shows the second id.
  const auto plain = id.starts_with(upstream_prefix) ? id.substr(upstream_prefix.size()) : id;
  const auto task = std::find_if(tasks_.begin(), tasks_.end(),
                                 [&plain](const Task& one) { return one.id == plain; });
  return task == tasks_.end() ? nullptr : &*task;
}

ClipPlan Service::plan_clip(const Task& task) const {
  const auto& format = formats.at(task.request.resolution);
  const bool portrait = task.request.aspect_ratio == "9:16";
  auto scenes = task.scenes;
  const std::size_t kept = options_.extend == Extend::continuation ? 1
                           : options_.extend == Extend::parent     ? 2
                                                                   : scenes.size();
  scenes.erase(scenes.begin(),
               scenes.end() - static_cast<std::ptrdiff_t>(std::min(kept, scenes.size())));
  return {std::move(scenes), portrait ? format.height : format.width,
          portrait ? format.width : format.height, format.bitrate, options_.layout};
}

Json Service::describe(const Task& task) const {
  static constexpr std::array names = {"pending", "processing", "completed", "failed"};
  Json answer = {{"id", task.id},
                 {"status", names.at(static_cast<std::size_t>(task.status))},
                 {"model", task.request.model},
                 {"created_at", task.created_at}};
  switch (task.status) {
    case Status::pending:
    case Status::processing: {
      const std::chrono::duration<double> total = task.due - task.created;
      const std::chrono::duration<double> spent = Clock::now() - task.created;
      // The clip may not be made when the time is over. So the progress is below 100 until the task
      // is completed.
      const auto percent = static_cast<int>(std::min(99.0, 100 * spent.count() / total.count()));
      answer["progress"] = options_.progress ? Json(percent) : Json();
      break;
    }
    case Status::completed:
      answer["completed_at"] = task.ended_at;
      answer["output"] = {{"urls", Json::array({file_origin_ + task.path})},
                          {"metadata", {{"resolution", task.request.resolution}}}};
      break;
    case Status::failed:
      answer["error"] = {{"code", task.failure}, {"message", "Video generation failed"}};
      break;
  }
  return answer;
}

Clock::time_point Service::settle(Clock::time_point now) {
  auto next = Clock::time_point::max();
  for (auto& task : tasks_) {
    if (task.status == Status::completed || task.status == Status::failed) continue;
    const auto processing = task.created + (task.due - task.created) / 5;
    if (now < processing) {
      next = std::min(next, processing);
      continue;
    }
    task.status = Status::processing;
    if (now < task.due) {
      next = std::min(next, task.due);
    } else if (!task.failure.empty() || ready(task.clip)) {
      end(task);
    }
  }
  return next;
}

void Service::end(Task& task) {
  try {
    if (task.failure.empty()) static_cast<void>(task.clip.get());
  } catch (const std::runtime_error& error) {
    std::cerr << "veo-simulator: task " << task.id << ": " << error.what() << '\n';
    task.failure = "internal_error";
  }
  task.status = task.failure.empty() ? Status::completed : Status::failed;
  task.ended_at = std::time(nullptr);
  if (task.status == Status::failed) {
    balance_ += task.request.credits;
    ++refunds_;
  }
  if (!task.request.callback_url.empty())
    callbacks_.send(task.request.callback_url, describe(task));
}

void Service::run() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    const auto next = settle(Clock::now());
    // A new task, a finished clip or the Stop wakes this thread. An additional wake is harmless.
    if (next == Clock::time_point::max()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, next);
    }
  }
}

}  // namespace simulator
