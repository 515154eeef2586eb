// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The table of options, and options by name and as text: for the elements, the command, a batch
// line, a URI and the C API. Names and values are the same everywhere.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "veo/core/result.h"
#include "veo/options/option.h"

namespace veo {

/// All options, in the order of veosrc's properties.
std::span<const Option> option_table();

/// Null: there is no such option, or `by` may not set it.
const Option* find_option(std::string_view name, OptionSetter by);

/// The option's value in `options`, or its default where it is unset.
OptionValue get_option(const Options& options, const Option& option);
/// `value` is of the option's type. Fails with invalid_request: it is out of the option's range.
Status set_option(Options& options, const Option& option, OptionValue value);
/// An empty text unsets an option with a text; a text adds an item to a list, an empty one none.
/// Fails with invalid_request: `text` is not of the option's form.
Status set_option(Options& options, const Option& option, const std::string& text);
/// Fails with invalid_request also where `by` may set no option of that name.
Status set_option(Options& options, OptionSetter by, std::string_view name,
                  const std::string& text);

/// The refusal of a value. `shown` is the value for people, without control characters.
Error refuse_value(const Option& option, const std::string& shown);

/// What the option takes, for people: `fast|quality|lite`, `true|false`, `SECONDS`.
std::string form_of(const Option& option);
/// `1 to 3600`, `1 or more`; empty: the option is no number.
std::string range_of(const Option& option);
/// The row's help, and what counts while the option is unset.
std::string help_of(const Option& option);
/// The default as text; empty: none.
std::string default_of(const Option& option);

/// Whether both work for one task in the very same way, so that one job can do it for both: they
/// are equal in each option whose identity is the request or the job. Resolved options only: what
/// the environment says is filled in.
bool is_same_job(const Options& a, const Options& b);

}  // namespace veo
