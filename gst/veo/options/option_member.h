// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How a row of the table of options reaches its member of Options. The path of members names the
// member:
//
//   member<&Options::request, &Request::prompt>()
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "veo/options/option.h"

namespace veo::option_member {

using Kind = OptionType::Kind;
using Read = std::variant<std::monostate, OptionValue>;

/// Converts between a member's type and OptionValue: `is_for(kind)`, `read(member)` and
/// `write(member, value)`.
template <class T>
struct Conversion;

template <>
struct Conversion<bool> {
  static constexpr bool is_for(Kind kind) { return kind == Kind::flag; }
  static Read read(bool from) { return OptionValue(from); }
  static void write(bool& to, OptionValue value) { to = std::get<bool>(value); }
};

template <class T>
requires(std::integral<T> && !std::same_as<T, bool>) struct Conversion<T> {
  static constexpr bool is_for(Kind kind) { return kind == Kind::number; }
  static Read read(T from) { return OptionValue(static_cast<std::int64_t>(from)); }
  static void write(T& to, OptionValue value) {
    to = static_cast<T>(std::get<std::int64_t>(value));
  }
};

template <class T>
requires(std::is_enum_v<T>) struct Conversion<T> {
  static constexpr bool is_for(Kind kind) { return kind == Kind::choice; }
  static Read read(T from) { return OptionValue(static_cast<std::int64_t>(from)); }
  static void write(T& to, OptionValue value) {
    to = static_cast<T>(std::get<std::int64_t>(value));
  }
};

template <>
struct Conversion<std::string> {
  static constexpr bool is_for(Kind kind) { return kind == Kind::text; }
  static Read read(const std::string& from) { return OptionValue(from); }
  static void write(std::string& to, OptionValue value) {
    to = std::move(std::get<std::string>(value));
  }
};

/// A key can be written, but not read: the option reads as its default.
template <>
struct Conversion<Secret> {
  static constexpr bool is_for(Kind kind) { return kind == Kind::text; }
  static Read read(const Secret&) { return {}; }
  static void write(Secret& to, OptionValue value) {
    to = Secret(std::move(std::get<std::string>(value)));
  }
};

template <>
struct Conversion<std::vector<std::string>> {
  static constexpr bool is_for(Kind kind) { return kind == Kind::list; }
  static Read read(const std::vector<std::string>& from) { return OptionValue(from); }
  static void write(std::vector<std::string>& to, OptionValue value) {
    to = std::move(std::get<std::vector<std::string>>(value));
  }
};

template <>
struct Conversion<std::shared_ptr<GTlsDatabase>> {
  using Pointer = std::shared_ptr<GTlsDatabase>;
  static constexpr bool is_for(Kind kind) { return kind == Kind::object; }
  static Read read(const Pointer& from) { return OptionValue(from); }
  static void write(Pointer& to, OptionValue value) { to = std::move(std::get<Pointer>(value)); }
};

/// An unset optional reads as the option's default. An empty text unsets the optional.
template <class T>
struct Conversion<std::optional<T>> {
  static constexpr bool is_for(Kind kind) { return Conversion<T>::is_for(kind); }
  static Read read(const std::optional<T>& from) {
    return from ? Conversion<T>::read(*from) : Read();
  }
  static void write(std::optional<T>& to, OptionValue value) {
    if (const auto* text = std::get_if<std::string>(&value); text != nullptr && text->empty()) {
      to.reset();
    } else {
      Conversion<T>::write(to.emplace(), std::move(value));
    }
  }
};

/// A duration, as a number of the duration's own units.
template <class Rep, class Period>
struct Conversion<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;
  static constexpr bool is_for(Kind kind) { return kind == Kind::number; }
  static Read read(Duration from) { return OptionValue(std::int64_t{from.count()}); }
  static void write(Duration& to, OptionValue value) {
    to = Duration(std::get<std::int64_t>(value));
  }
};

/// A duration, as a number of `Unit`s.
template <class Unit>
struct InUnitsOf {
  static constexpr bool is_for(Kind kind) { return kind == Kind::number; }
  template <class Duration>
  static Read read(Duration from) {
    return Conversion<Unit>::read(std::chrono::duration_cast<Unit>(from));
  }
  template <class Duration>
  static void write(Duration& to, OptionValue value) {
    to = Unit(std::get<std::int64_t>(value));
  }
};

/// An optional that the number 0 unsets. For an option with choices, the first choice unsets the
/// member, and the enumerators follow from number 1 on.
struct UnsetByZero {
  static constexpr bool is_for(Kind kind) { return kind == Kind::number || kind == Kind::choice; }
  template <class T>
  static constexpr std::int64_t shift = std::is_enum_v<T> ? 1 : 0;
  template <class T>
  static Read read(const std::optional<T>& from) {
    return from ? Read(OptionValue(static_cast<std::int64_t>(*from) + shift<T>)) : Read();
  }
  template <class T>
  static void write(std::optional<T>& to, OptionValue value) {
    const auto number = std::get<std::int64_t>(value);
    to = number == 0 ? std::nullopt : std::optional(static_cast<T>(number - shift<T>));
  }
};

template <class By, auto... path>
struct Access {
  static auto& of(auto& options) { return (options.*....*path); }
  using Type = std::remove_cvref_t<decltype(of(std::declval<Options&>()))>;

  static Read get(const Options& options) { return By::read(of(options)); }
  static void set(Options& options, OptionValue value) { By::write(of(options), std::move(value)); }
  static bool is_equal(const Options& a, const Options& b) { return of(a) == of(b); }
  static constexpr OptionMember member() {
    return {.get = get,
            .set = set,
            .is_equal = is_equal,
            .is_for = By::is_for,
            .is_secret = std::is_same_v<Type, Secret>};
  }
};

template <auto... path>
using TypeAt = std::remove_cvref_t<decltype((std::declval<Options&>().*....*path))>;

/// Makes an OptionMember for the member at the end of the path, by the member's own type.
template <auto... path>
constexpr OptionMember member() {
  return Access<Conversion<TypeAt<path...>>, path...>::member();
}

/// Makes an OptionMember for a duration that the option counts in `Unit`s.
template <class Unit, auto... path>
constexpr OptionMember member_in() {
  return Access<InUnitsOf<Unit>, path...>::member();
}

/// Makes an OptionMember for an optional that the number 0 unsets.
template <auto... path>
constexpr OptionMember member_unset_by_zero() {
  return Access<UnsetByZero, path...>::member();
}

}  // namespace veo::option_member
