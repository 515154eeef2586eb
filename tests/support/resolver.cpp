// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resolver.h"

#include <algorithm>

namespace {

// GIO needs a GObject class for a resolver. Its instance has one pointer to a C++ object.
struct Entry {
  std::string name;
  std::vector<std::string> addresses;
  std::size_t look_ups = 0;

  const std::string& next() { return addresses[std::min(look_ups++, addresses.size() - 1)]; }
};

struct VeoTestResolver {
  GResolver parent;
  Entry* entry;
};
struct VeoTestResolverClass {
  GResolverClass parent;
};

GType veo_test_resolver_get_type();
G_DEFINE_TYPE(VeoTestResolver, veo_test_resolver, G_TYPE_RESOLVER)

void lookup(GResolver* resolver, const char* name, GResolverNameLookupFlags flags,
            GCancellable* cancellable, GAsyncReadyCallback done, gpointer data) {
  auto& entry = *reinterpret_cast<VeoTestResolver*>(resolver)->entry;
  const std::unique_ptr<GTask, decltype(&g_object_unref)> task(
      g_task_new(resolver, cancellable, done, data), g_object_unref);
  // GIO looks up both families at the same time. Only the look-up of IPv4 counts.
  const bool is_known = name == entry.name && flags != G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY;
  const auto address = is_known ? entry.next() : "";
  if (!address.empty()) {
    auto* found = g_list_append(nullptr, g_inet_address_new_from_string(address.c_str()));
    g_task_return_pointer(task.get(), found, [](gpointer list) {
      g_resolver_free_addresses(static_cast<GList*>(list));
    });
  } else {
    g_task_return_new_error(task.get(), G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "no %s",
                            name);
  }
}

void lookup_any(GResolver* resolver, const char* name, GCancellable* cancellable,
                GAsyncReadyCallback done, gpointer data) {
  lookup(resolver, name, G_RESOLVER_NAME_LOOKUP_FLAGS_DEFAULT, cancellable, done, data);
}

GList* finish(GResolver*, GAsyncResult* result, GError** error) {
  return static_cast<GList*>(g_task_propagate_pointer(G_TASK(result), error));
}

void veo_test_resolver_init(VeoTestResolver*) {}

void veo_test_resolver_class_init(VeoTestResolverClass* klass) {
  auto* resolver = G_RESOLVER_CLASS(klass);
  resolver->lookup_by_name_async = lookup_any;
  resolver->lookup_by_name_finish = finish;
  resolver->lookup_by_name_with_flags_async = lookup;
  resolver->lookup_by_name_with_flags_finish = finish;
  G_OBJECT_CLASS(klass)->finalize = [](GObject* object) {
    delete reinterpret_cast<VeoTestResolver*>(object)->entry;
    G_OBJECT_CLASS(veo_test_resolver_parent_class)->finalize(object);
  };
}

}  // namespace

namespace veo::test {

Resolver::Resolver(const std::string& name, const std::vector<std::string>& addresses)
    : before_(g_resolver_get_default(), g_object_unref) {
  const std::unique_ptr<GResolver, decltype(&g_object_unref)> made(
      G_RESOLVER(g_object_new(veo_test_resolver_get_type(), nullptr)), g_object_unref);
  reinterpret_cast<VeoTestResolver*>(made.get())->entry = new Entry{name, addresses};
  g_resolver_set_default(made.get());
}

Resolver::~Resolver() { g_resolver_set_default(before_.get()); }

}  // namespace veo::test
