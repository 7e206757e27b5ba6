package org.mobilekit.core

/** What was given does not keep the contract that the desk and the apps share; the message is for a person. */
class ContractException(
    message: String,
) : Exception(message)
