@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.compose.runtime

import kotlin.reflect.KProperty

@Target(AnnotationTarget.FUNCTION, AnnotationTarget.TYPE, AnnotationTarget.PROPERTY_GETTER)
annotation class Composable

interface State<out T> {
    val value: T
}

interface MutableState<T> : State<T> {
    override var value: T
}

interface MutableIntState : MutableState<Int>

fun <T> mutableStateOf(value: T): MutableState<T> = TODO()

fun mutableIntStateOf(value: Int): MutableIntState = TODO()

interface MutableFloatState : MutableState<Float>

fun mutableFloatStateOf(value: Float): MutableFloatState = TODO()

operator fun <T> State<T>.getValue(
    thisObj: Any?,
    property: KProperty<*>,
): T = TODO()

operator fun <T> MutableState<T>.setValue(
    thisObj: Any?,
    property: KProperty<*>,
    value: T,
): Unit = TODO()

interface DisposableEffectResult

class DisposableEffectScope {
    fun onDispose(onDisposeEffect: () -> Unit): DisposableEffectResult = TODO()
}

@Composable
fun DisposableEffect(
    key1: Any?,
    effect: DisposableEffectScope.() -> DisposableEffectResult,
): Unit = TODO()
