// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/address_lookup.h"

#include <gio/gio.h>

#include <map>
#include <utility>

#include "glib_ptr.h"
#include "proxy.h"
#include "veo/core/log.h"
#include "veo/system/guarded.h"

namespace veo::http {

namespace {

using Clock = IoThread::Clock;

constexpr auto kept_for = std::chrono::seconds(60);
constexpr std::size_t most_kept = 256;

struct Known {
  Clock::time_point at{};
  Result<AddressLookup::Addresses> addresses;
};

// Never destroyed: the I/O thread may outlive static destructors.
Guarded<std::map<std::string, Known>>& known_hosts() {
  static auto* const instance = new Guarded<std::map<std::string, Known>>;
  return *instance;
}

std::optional<Result<AddressLookup::Addresses>> find_known(const std::string& host) {
  auto hosts = known_hosts().lock();
  std::erase_if(*hosts,
                [now = Clock::now()](const auto& it) { return now > it.second.at + kept_for; });
  const auto found = hosts->find(host);
  if (found == hosts->end()) return std::nullopt;
  return found->second.addresses;
}

void remember(const std::string& host, const Result<AddressLookup::Addresses>& addresses) {
  auto hosts = known_hosts().lock();
  if (hosts->size() >= most_kept) hosts->clear();
  hosts->insert_or_assign(host, Known{.at = Clock::now(), .addresses = addresses});
}

}  // namespace

/// One caller's interest in an answer.
struct AddressLookup::Waiter {
  Handler found;                       // empty after the call
  std::shared_ptr<Question> question;  // null if the answer was known
};

/// One question to the resolver. The waiters keep it; without waiters it is cancelled.
class AddressLookup::Question : public std::enable_shared_from_this<Question> {
 public:
  explicit Question(std::string host) : host_(std::move(host)) {}
  ~Question() { g_cancellable_cancel(cancellable_.get()); }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  /// The questions that run, for the I/O thread alone.
  static std::map<std::string, std::weak_ptr<Question>>& running() {
    static auto* const instance = new std::map<std::string, std::weak_ptr<Question>>;
    return *instance;
  }

  void ask(const std::shared_ptr<IoThread>& thread, std::chrono::milliseconds within) {
    timer_ = thread->after(within, [weak = weak_from_this(), within] {
      const auto self = weak.lock();
      if (!self) return;
      self->answer(fail({.code = ErrorCode::network,
                         .message = "The name " + self->host_ + " was not resolved within " +
                                    std::to_string(within.count()) + " ms."}));
    });
    const GObjectPtr<GResolver> resolver(g_resolver_get_default());
    // The callback does not keep the question: nobody may wait for the answer any more.
    g_resolver_lookup_by_name_async(
        resolver.get(), host_.c_str(), cancellable_.get(), finish,
        std::make_unique<std::weak_ptr<Question>>(weak_from_this()).release());
  }

  void add(const std::shared_ptr<Waiter>& waiter) { waiters_.push_back(waiter); }

 private:
  static void finish(GObject* resolver, GAsyncResult* result, gpointer data) noexcept {
    const std::unique_ptr<std::weak_ptr<Question>> weak(
        static_cast<std::weak_ptr<Question>*>(data));
    ErrorSlot error;
    auto* const list = g_resolver_lookup_by_name_finish(G_RESOLVER(resolver), result, error.out());
    Addresses addresses;
    for (const auto* item = list; item != nullptr; item = item->next) {
      auto* const found = G_INET_ADDRESS(item->data);
      const auto address =
          make_address({g_inet_address_to_bytes(found), g_inet_address_get_native_size(found)});
      if (address) addresses.push_back(*address);
    }
    g_resolver_free_addresses(list);
    const auto self = weak->lock();
    if (!self) return;
    if (error || addresses.empty()) {
      return self->answer(
          fail({.code = ErrorCode::network,
                .message = "The name " + self->host_ + " was not resolved: " +
                           (error ? error.get()->message : "it has no address") + "."}));
    }
    self->answer(std::move(addresses));
  }

  void answer(const Result<Addresses>& addresses) {
    const auto keep = shared_from_this();
    if (std::exchange(is_answered_, true)) return;
    timer_.cancel();
    running().erase(host_);
    remember(host_, addresses);
    for (const auto& weak : std::exchange(waiters_, {})) {
      const auto waiter = weak.lock();
      if (!waiter) continue;
      if (const auto found = std::exchange(waiter->found, nullptr)) found(addresses);
    }
  }

  const std::string host_;
  const GObjectPtr<GCancellable> cancellable_{g_cancellable_new()};
  IoThread::Timer timer_;
  std::vector<std::weak_ptr<Waiter>> waiters_;
  bool is_answered_ = false;
};

AddressLookup::AddressLookup() = default;
AddressLookup::AddressLookup(AddressLookup&&) noexcept = default;
AddressLookup& AddressLookup::operator=(AddressLookup&&) noexcept = default;
AddressLookup::~AddressLookup() = default;

AddressLookup AddressLookup::start(const std::shared_ptr<IoThread>& thread, const std::string& host,
                                   std::chrono::milliseconds within, Handler found) {
  AddressLookup lookup;
  lookup.waiter_ = std::make_shared<Waiter>();
  lookup.waiter_->found = std::move(found);
  if (auto known = find_known(host)) {
    thread->post([weak = std::weak_ptr(lookup.waiter_), known = std::move(*known)] {
      const auto waiter = weak.lock();
      if (!waiter) return;
      if (const auto handler = std::exchange(waiter->found, nullptr)) handler(known);
    });
    return lookup;
  }
  auto& running = Question::running();
  std::erase_if(running, [](const auto& it) { return it.second.expired(); });
  auto question = running[host].lock();
  if (!question) {
    log::debug(log::Category::http, "the name ", log::text(host), " is resolved");
    question = std::make_shared<Question>(host);
    running[host] = question;
    question->ask(thread, within);
  }
  question->add(lookup.waiter_);
  lookup.waiter_->question = std::move(question);
  return lookup;
}

void AddressLookup::forget(const std::string& host) { known_hosts().lock()->erase(host); }

bool is_resolved_by_proxy(const Network& network, const std::string& host) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return is_proxied(network, "https://" + (is_ipv6 ? "[" + host + "]" : host) + "/");
}

}  // namespace veo::http
