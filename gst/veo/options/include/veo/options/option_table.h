// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The table of options, and access to options by name and as text. The elements, the command, a
// batch line, a URI and the C API use the table. Names and values are the same everywhere.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "veo/core/result.h"
#include "veo/options/option.h"

namespace veo {

/// Returns all options, in the order of veosrc's properties.
std::span<const Option> option_table();

/// Returns the option. Null: there is no such option, or `by` may not set the option.
const Option* find_option(std::string_view name, OptionSetter by);

/// Returns the option's value in `options`; if the member is unset, the default.
OptionValue get_option(const Options& options, const Option& option);
/// Sets the option. `value` has the option's type. Fails with invalid_request if `value` is out of
/// the option's range.
Status set_option(Options& options, const Option& option, OptionValue value);
/// Sets the option from text. An empty text unsets an option of kind text. For a list, a text adds
/// an item, and an empty text adds none. Fails with invalid_request if `text` does not have the
/// option's form.
Status set_option(Options& options, const Option& option, const std::string& text);
/// Does the same for the option of this name. Also fails with invalid_request if `by` may set no
/// option of that name.
Status set_option(Options& options, OptionSetter by, std::string_view name,
                  const std::string& text);

/// Checks that each number is in its option's range. A GObject property stores any number that its
/// type can hold, because GObject would drop a number outside the range with a warning alone, and
/// the element would pay for another request than the one that was asked for. With a task id the
/// options of the request count for nothing, and are not checked. Fails with invalid_request.
Status check_ranges(const Options& options);

/// Makes the error for a wrong value. `shown` is the value for people, without control characters.
Error refuse_value(const Option& option, const std::string& shown);

/// Returns the form of the option's values, for people: `fast|quality|lite`, `true|false`,
/// `SECONDS`.
std::string form_of(const Option& option);
/// Returns the range of a number: `1 to 3600`, `1 or more`; empty: the option is no number.
std::string range_of(const Option& option);
/// Returns the row's help, with what counts while the option is unset.
std::string help_of(const Option& option);
/// Returns the default as text; empty: there is none.
std::string default_of(const Option& option);

/// Whether one job can do the work of both: `a` and `b` are equal in each option whose identity is
/// the request or the job. Both must be resolved: the environment's settings are filled in.
bool is_same_job(const Options& a, const Options& b);

}  // namespace veo
